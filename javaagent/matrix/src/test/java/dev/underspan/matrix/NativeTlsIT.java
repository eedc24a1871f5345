package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.Jdks;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Client calls over OpenSSL in native code, under the real jar. Root. */
class NativeTlsIT {
  @TempDir static Path directory;
  private static TestKeys keys;

  @BeforeAll
  static void makeKeys() throws Exception {
    keys = TestKeys.make(directory);
  }

  /** JNI on each JDK, and java.lang.foreign where there is one. */
  static Stream<Arguments> ways() throws Exception {
    List<Arguments> ways = new ArrayList<>();
    for (Path home : Jdks.homes().toList()) {
      ways.add(Arguments.of(home, "JniLibssl"));
      if (Jdks.homes().findFirst().filter(home::equals).isEmpty()) {
        ways.add(Arguments.of(home, "FfmLibssl"));
      }
    }
    return ways.stream();
  }

  private static String resource(String name) throws Exception {
    try (InputStream in = NativeTlsIT.class.getResourceAsStream("/native/" + name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static AppUnderAgent app(Path home, String way, OtlpReceiver receiver, String when)
      throws Exception {
    Path built = Files.createDirectories(directory.resolve("built"));
    AppUnderAgent.Builder builder =
        new AppUnderAgent.Builder(home, directory, receiver.endpoint())
            .agent("debug=true")
            .command(
                "dev.underspan.matrix.NativeTlsApp",
                keys.store().toString(),
                TestKeys.PASSWORD,
                "dev.underspan.matrix." + way,
                when);
    if (way.equals("JniLibssl")) {
      Path source = Files.writeString(built.resolve("libssl.c"), resource("libssl.c"));
      Path library = built.resolve("libours.so");
      Path headers = home.resolve("include");
      run(
          "cc",
          "-shared",
          "-fPIC",
          "-I" + headers,
          "-I" + headers.resolve("linux"),
          "-o",
          library.toString(),
          source.toString());
      builder.jvm("-Djni.library=" + library);
    } else {
      Path source = Files.writeString(built.resolve("FfmLibssl.java"), resource("FfmLibssl.java"));
      run(
          home.resolve("bin/javac").toString(),
          "-cp",
          System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
          "-d",
          built.toString(),
          source.toString());
      builder.classPath(List.of(built)).jvm("--enable-native-access=ALL-UNNAMED");
    }
    return builder.start();
  }

  private static void run(String... command) throws Exception {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
  }

  private static void awaitLibrary(AppUnderAgent app) throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (!app.errors().contains("TLS in native code: /")) {
      assertThat(System.nanoTime()).as(app.errors()).isLessThan(deadline);
      Thread.sleep(10);
    }
  }

  @ParameterizedTest
  @MethodSource("ways")
  void everyCallIsASpanUnderItsRequest(Path home, String way) throws Exception {
    TraceStore spans = new TraceStore();
    int count = 0;
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = app(home, way, receiver, "now")) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      awaitLibrary(app);
      for (int i = 0; i < 7; i++) {
        assertThat(app.get("/native/" + count++)).startsWith("200 ");
        assertThat(app.get("/native/" + count++ + "/50000")).startsWith("200 ");
      }
      Burst.run(app, "/burst/", count, 100);
      count += 100;
      spans.settle(Duration.ofMillis(700), Duration.ofSeconds(20));
      Map<String, Span> handlers = new HashMap<>();
      for (Span span : spans.spans()) {
        String path = String.valueOf(span.attributes().get("url.path"));
        if (span.kind() == Span.Kind.SERVER && path.matches("/(native|burst)/.*")) {
          assertThat(handlers.put(path.split("/")[2], span)).isNull();
        }
      }
      assertThat(handlers).hasSize(count);
      assertThat(spans.spans())
          .filteredOn(span -> span.kind() == Span.Kind.CLIENT)
          .hasSize(count)
          .allSatisfy(
              span -> {
                String url = String.valueOf(span.attributes().get("url.full"));
                assertThat(url).matches("https://localhost:\\d+/inner/\\d+");
                Span handler = handlers.remove(url.substring(url.lastIndexOf('/') + 1));
                assertThat(handler).as(url).isNotNull();
                assertThat(span.parentId()).isEqualTo(handler.spanId());
                assertThat(span.traceId()).isEqualTo(handler.traceId());
                assertThat(span.attributes())
                    .containsEntry("http.response.status_code", 200L)
                    .containsEntry("tls.protocol.version", "1.3")
                    .containsEntry("tls.client.server_name", "localhost")
                    .containsEntry("tls.resumed", false)
                    .containsEntry("underspan.level", "kernel")
                    .containsKeys("tls.cipher", "underspan.tcp.rtt", "underspan.net.first_byte");
              })
          .anySatisfy(span -> assertThat(span.number("underspan.net.tls")).isPositive());
      // The server has another library of TLS; the hellos tell it the same.
      assertThat(spans.spans())
          .filteredOn(
              span ->
                  span.kind() == Span.Kind.SERVER
                      && String.valueOf(span.attributes().get("url.path")).startsWith("/inner/"))
          .hasSize(count)
          .allSatisfy(
              span ->
                  assertThat(span.attributes())
                      .containsEntry("tls.protocol.version", "1.3")
                      .containsEntry("tls.client.server_name", "localhost")
                      .containsEntry("tls.resumed", false)
                      .containsKey("tls.cipher"));
      assertThat(app.end()).isZero();
      assertThat(app.errors())
          .contains("underspan.instrumentation.failures=0", "tlsDropped=0", "unknownProtocol=0");
    }
  }

  /**
   * By what the client makes of the server's certificate, and by what the server makes of its own
   * name: on newer JDKs it sends an alert, on older ones it just goes away.
   */
  @ParameterizedTest
  @MethodSource("ways")
  void aHandshakeThatFailsIsASpan(Path home, String way) throws Exception {
    boolean older = Jdks.homes().findFirst().filter(home::equals).isPresent();
    String refused = older ? "unexpected_eof_while_reading" : "alert_unrecognized_name";
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = app(home, way, receiver, "now")) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      awaitLibrary(app);
      for (int i = 0; i < 3; i++) {
        assertThat(app.get("/failing/verify")).isEqualTo("refused");
        assertThat(app.get("/failing/name")).isEqualTo("refused");
        assertThat(app.get("/native/" + i)).startsWith("200 ");
      }
      spans.settle(Duration.ofMillis(700), Duration.ofSeconds(20));
      Map<String, String> handlers = new HashMap<>();
      for (Span span : spans.spans()) {
        if (span.kind() == Span.Kind.SERVER) {
          handlers.put(span.spanId(), String.valueOf(span.attributes().get("url.path")));
        }
      }
      assertThat(spans.spans())
          .filteredOn(span -> span.name().equals("TLS handshake"))
          .hasSize(6)
          .allSatisfy(
              span -> {
                boolean verify = "/failing/verify".equals(handlers.get(span.parentId()));
                assertThat(handlers).containsKey(span.parentId());
                assertThat(span.kind()).isEqualTo(Span.Kind.CLIENT);
                assertThat(span.attributes())
                    .containsEntry("error.type", verify ? "certificate_verify_failed" : refused)
                    .containsEntry("server.address", verify ? "localhost" : "elsewhere")
                    .containsEntry("underspan.level", "kernel");
              })
          .extracting(Span::parentId)
          .doesNotHaveDuplicates();
      assertThat(spans.spans())
          .filteredOn(span -> span.kind() == Span.Kind.CLIENT && span.name().equals("GET"))
          .hasSize(3);
      assertThat(app.end()).isZero();
      assertThat(app.errors()).contains("underspan.instrumentation.failures=0");
    }
  }

  /** The library comes when the application has long been running. */
  @Test
  void aLibraryThatComesLater() throws Exception {
    Path home = Path.of(System.getProperty("java.home"));
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = app(home, "JniLibssl", receiver, "later")) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      assertThat(app.errors()).doesNotContain("TLS in native code");
      app.get("/native/1");
      awaitLibrary(app);
      app.get("/native/2");
      app.get("/native/3");
      spans.settle(Duration.ofMillis(700), Duration.ofSeconds(20));
      // Whether the first call was early enough depends; on its connection go the others.
      assertThat(spans.spans())
          .filteredOn(span -> span.kind() == Span.Kind.CLIENT)
          .extracting(
              span -> String.valueOf(span.attributes().get("url.full")).replaceAll(".*/", ""))
          .contains("2", "3")
          .doesNotHaveDuplicates();
      assertThat(app.end()).isZero();
    }
  }
}
