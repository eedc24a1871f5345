package dev.underspan;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.Trace;
import dev.underspan.demo.TraceStore;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Client calls over TLS under the real jar. Root. */
class TlsIT {
  private static final String PASSWORD = "secret";

  @TempDir static Path directory;
  private static Path store = Path.of("unset");

  @BeforeAll
  static void makeKeys() throws Exception {
    store = directory.resolve("keys.p12");
    List<String> command =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
            "-genkeypair",
            "-alias",
            "server",
            "-keyalg",
            "EC",
            "-dname",
            "CN=localhost",
            "-ext",
            "san=dns:localhost,ip:127.0.0.1",
            "-storetype",
            "PKCS12",
            "-keystore",
            store.toString(),
            "-storepass",
            PASSWORD);
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    // Its own certificate is what clients trust.
    run("-exportcert", "-alias", "server", "-file", directory.resolve("cert").toString());
    run(
        "-importcert",
        "-noprompt",
        "-alias",
        "trusted",
        "-file",
        directory.resolve("cert").toString());
  }

  private static void run(String... arguments) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
    command.addAll(List.of(arguments));
    command.addAll(List.of("-keystore", store.toString(), "-storepass", PASSWORD));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
  }

  private static AppUnderAgent app(Path home, OtlpReceiver receiver, int http2Port)
      throws Exception {
    return new AppUnderAgent.Builder(home, directory, receiver.endpoint())
        .agent("debug=true")
        .command(
            "dev.underspan.testapp.TlsApp", store.toString(), PASSWORD, Integer.toString(http2Port))
        .start();
  }

  /** All spans, once none has come for a while. */
  private static List<Span> settled(TraceStore spans) throws InterruptedException {
    int before = -1;
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (before != spans.size() && System.nanoTime() < deadline) {
      before = spans.size();
      Thread.sleep(1000);
    }
    List<Span> all = new ArrayList<>();
    for (Trace trace : spans.traces()) {
      all.addAll(trace.spans());
    }
    return all;
  }

  /** Of every handler whose path is /WAY/N there is one call to /inner/N below it, and no other. */
  private static Map<String, Span> assertCalls(List<Span> all, int count) {
    Map<String, Span> handlers = new HashMap<>();
    for (Span span : all) {
      String path = String.valueOf(span.attributes().get("url.path"));
      if (span.kind() == Span.Kind.SERVER && !path.startsWith("/inner/")) {
        String number = path.split("/").length > 2 ? path.split("/")[2] : "";
        if (path.matches("/(http1|http2|socket|burst)/.*")) {
          assertThat(handlers.put(number, span)).isNull();
        }
      }
    }
    assertThat(handlers).hasSize(count);
    Map<String, Span> calls = new HashMap<>();
    for (Span span : all) {
      Object url = span.attributes().get("url.full");
      if (span.kind() == Span.Kind.CLIENT && url != null) {
        assertThat(url.toString()).matches("https://localhost:\\d+/inner/\\d+");
        String number = url.toString().substring(url.toString().lastIndexOf('/') + 1);
        assertThat(calls.put(number, span)).as("twice " + number).isNull();
        Span handler = handlers.get(number);
        assertThat(handler).as(url.toString()).isNotNull();
        assertThat(span.parentId()).as(url.toString()).isEqualTo(handler.spanId());
        assertThat(span.traceId()).isEqualTo(handler.traceId());
        assertThat(span.attributes())
            .containsEntry("tls.protocol.name", "tls")
            .containsEntry("tls.protocol.version", "1.3")
            .containsEntry("underspan.level", "kernel")
            .containsEntry("http.response.status_code", 200L)
            .containsKeys("tls.cipher", "underspan.tcp.rtt", "underspan.net.first_byte");
      }
    }
    assertThat(calls).hasSize(count);
    // The server on the other side, in the same process, has the call as its parent.
    for (Span span : all) {
      String path = String.valueOf(span.attributes().get("url.path"));
      if (span.kind() == Span.Kind.SERVER && path.startsWith("/inner/")) {
        Span call = calls.get(path.substring("/inner/".length()));
        assertThat(call).as(path).isNotNull();
        assertThat(span.parentId()).as(path).isEqualTo(call.spanId());
      }
    }
    return calls;
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.RealJarIT#jdks")
  void everyCallIsASpanWhateverCarriesIt(Path home) throws Exception {
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = app(home, receiver, 0)) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      int number = 1;
      for (int round = 0; round < 11; round++) {
        app.get("/http1/" + number++);
        app.get("/http1/" + number++ + "/100000");
        app.get("/socket/" + number++);
        app.get("/socket/" + number++ + "/100000");
      }
      Map<String, Span> calls = assertCalls(settled(spans), number - 1);
      assertThat(calls.values())
          .anySatisfy(span -> assertThat(span.number("underspan.net.tls")).isPositive());
      assertThat(app.end()).isZero();
      System.err.println(Files.readString(app.stderr));
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.RealJarIT#jdks")
  void manyCallsAtOnceHaveTheRightParent(Path home) throws Exception {
    int count = 200;
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = app(home, receiver, 0)) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      HttpClient client = HttpClient.newHttpClient();
      List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
      for (int round = 0; round < 3; round++) {
        for (int i = 0; i < count; i++) {
          URI uri =
              URI.create("http://localhost:" + app.port + "/burst/1" + (1000 * (1 + round) + i));
          answers.add(
              client.sendAsync(
                  HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString()));
        }
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!app.get("/held/0").equals(Integer.toString(count))) {
          assertThat(System.nanoTime()).isLessThan(deadline);
          Thread.sleep(20);
        }
        app.get("/release/0");
        for (CompletableFuture<HttpResponse<String>> answer : answers) {
          assertThat(answer.get(30, TimeUnit.SECONDS).statusCode()).isEqualTo(200);
        }
      }
      assertCalls(settled(spans), 3 * count);
      assertThat(app.end()).isZero();
      System.err.println(Files.readString(app.stderr));
    }
  }
}
