package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.Jdks;
import dev.underspan.bridge.wire.LocalServer;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Calls over TLS by libraries other than the JDK's own, and to servers that are not Java. Root. */
class TlsLibrariesIT {
  @TempDir static Path directory;
  private static TestKeys keys = new TestKeys(Path.of("unset"));

  @BeforeAll
  static void makeKeys() throws Exception {
    keys = TestKeys.make(directory);
    Files.writeString(directory.resolve("cert.pem"), keys.certificate());
    Path key = Files.writeString(directory.resolve("key.pem"), keys.key());
    Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-------"));
  }

  private static AppUnderAgent.Builder builder(
      Path home, OtlpReceiver receiver, String... servers) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "dev.underspan.matrix.TlsLibrariesApp",
                keys.store().toString(),
                TestKeys.PASSWORD,
                directory.toString()));
    command.addAll(List.of(servers));
    return new AppUnderAgent.Builder(home, directory, receiver.endpoint())
        .agent("debug=true")
        .libraries()
        .environment("OTEL_BSP_MAX_QUEUE_SIZE", "65536")
        .command(command.toArray(new String[0]));
  }

  /** Requests by each way in turn, then many at once; their numbers, by which calls are known. */
  private static List<Integer> requests(AppUnderAgent app, List<String> ways, int burst)
      throws Exception {
    List<Integer> numbers = new ArrayList<>();
    int number = 100;
    for (int round = 0; round < 5; round++) {
      for (String way : ways) {
        app.get("/" + way + "/" + number);
        numbers.add(number++);
      }
    }
    Burst.run(app, "/burst/", 1000, burst);
    for (int i = 0; i < burst; i++) {
      numbers.add(1000 + i);
    }
    return numbers;
  }

  /** Each request has its own call below it, and the call nobody else's number. */
  private static List<Span> assertCalls(TraceStore spans, List<Integer> numbers) {
    Map<String, Span> handlers = new HashMap<>();
    for (Span span : spans.spans()) {
      String[] path = String.valueOf(span.attributes().get("url.path")).split("/");
      if (span.kind() == Span.Kind.SERVER
          && path.length == 3
          && !path[1].matches("inner|prepare")) {
        handlers.put(path[2], span);
      }
    }
    List<String> requests = handlers.values().stream().map(Span::spanId).toList();
    List<Span> calls = new ArrayList<>();
    for (Span span : spans.spans()) {
      // What prepared the connections is not of interest.
      if (span.kind() == Span.Kind.CLIENT && requests.contains(span.parentId())) {
        calls.add(span);
      }
    }
    Map<String, Span> byHandler = new HashMap<>();
    for (Span call : calls) {
      assertThat(byHandler.put(call.parentId(), call)).as(call.toString()).isNull();
      assertThat(call.attributes())
          .as(call.name())
          .containsKeys("tls.protocol.version", "tls.cipher", "tls.resumed")
          .containsEntry("underspan.level", "kernel");
    }
    for (int number : numbers) {
      Span handler = handlers.get(Integer.toString(number));
      assertThat(handler).as("handler " + number).isNotNull();
      Span call = byHandler.remove(handler.spanId());
      assertThat(call).as("the call of " + handler.attributes().get("url.path")).isNotNull();
      Object text = call.attributes().get("db.query.text");
      Object url = call.attributes().get("url.full");
      String carried = url != null ? url.toString() : text != null ? text.toString() : call.name();
      if (!call.name().startsWith("INCR")) { // whose key is hidden
        assertThat(carried).endsWith(Integer.toString(number));
      }
    }
    assertThat(byHandler).isEmpty();
    return calls;
  }

  private static void assertNothingLost(AppUnderAgent app) throws Exception {
    assertThat(app.end()).isZero();
    assertThat(app.errors())
        .contains("tlsUnmatched=0", "tlsMismatched=0", "tlsUntimed=0", "tlsDropped=0")
        .contains("underspan.instrumentation.failures=0");
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void otherProvidersAndTransports(Path home) throws Exception {
    assumeThat(System.getProperty("os.arch")).isEqualTo("amd64"); // what the libraries are for
    List<String> ways =
        List.of(
            "conscrypt-engine",
            "conscrypt-socket",
            "bouncycastle-engine",
            "bouncycastle-socket",
            "grpc");
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = builder(home, receiver).start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      app.get("/prepare/conscrypt,bouncycastle,grpc");
      List<Integer> numbers = requests(app, ways, 120);
      spans.settle(Duration.ofMillis(700), Duration.ofSeconds(20));
      assertCalls(spans, numbers);
      assertThat(spans.spans())
          .filteredOn(span -> span.kind() == Span.Kind.SERVER && span.name().contains("Echo/N"))
          .isNotEmpty()
          .allSatisfy(
              span ->
                  assertThat(span.attributes())
                      .containsEntry("tls.protocol.version", "1.3")
                      .containsEntry("tls.next_protocol", "h2"));
      assertNothingLost(app);
    }
  }

  @Test
  void serversThatAreNotJava() throws Exception {
    Path home = Jdks.homes().reduce((first, last) -> last).orElseThrow();
    List<String> ways = List.of("mariadb", "mysql", "jedis", "lettuce", "nginx");
    Path certificate = directory.resolve("cert.pem");
    Path key = directory.resolve("key.pem");
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        LocalServer mariaDb = LocalServer.mariaDb(certificate, key);
        LocalServer redis = LocalServer.redis(certificate, key);
        LocalServer nginx = LocalServer.nginx(certificate, key);
        AppUnderAgent app =
            builder(
                    home,
                    receiver,
                    "mariadb=" + mariaDb.port,
                    "redis=" + redis.port,
                    "nginx=" + nginx.port)
                .start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      app.get("/prepare/" + String.join(",", ways));
      List<Integer> numbers = requests(app, ways, 100);
      spans.settle(Duration.ofMillis(700), Duration.ofSeconds(20));
      List<Span> calls = assertCalls(spans, numbers);
      assertThat(calls)
          .extracting(span -> span.attributes().get("db.system.name"))
          .contains("mariadb", "redis");
      assertThat(calls)
          .anySatisfy(
              span ->
                  assertThat(span.attributes())
                      .containsEntry("network.protocol.version", "2")
                      .containsEntry("tls.next_protocol", "h2"));
      assertNothingLost(app);
    }
  }

  @Test
  void tenThousandVirtualThreads() throws Exception {
    Path home = Jdks.homes().reduce((first, last) -> last).orElseThrow();
    assumeThat(home.toString()).contains("25");
    int handlers = 50;
    int each = 200;
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = builder(home, receiver).jvm("-Xmx512m").start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      app.get("/prepare/many");
      List<CompletableFuture<Void>> answers = new ArrayList<>();
      for (int i = 0; i < handlers; i++) {
        int number = i;
        answers.add(
            CompletableFuture.runAsync(
                () -> {
                  try {
                    app.get("/many/" + number + "-" + each);
                  } catch (Exception e) {
                    throw new IllegalStateException(e);
                  }
                },
                task -> new Thread(task).start()));
      }
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
      while (!app.get("/held/0").equals(Integer.toString(handlers * each))) {
        assertThat(System.nanoTime()).isLessThan(deadline);
        Thread.sleep(50);
      }
      app.get("/release/0");
      for (CompletableFuture<Void> answer : answers) {
        answer.get(120, TimeUnit.SECONDS);
      }
      spans.settle(Duration.ofMillis(1500), Duration.ofSeconds(60));
      Map<String, String> parents = new HashMap<>();
      for (Span span : spans.spans()) {
        String[] path = String.valueOf(span.attributes().get("url.path")).split("/");
        if (span.kind() == Span.Kind.SERVER && path.length == 3 && path[1].equals("many")) {
          parents.put(path[2], span.spanId());
        }
      }
      assertThat(parents).hasSize(handlers);
      Map<String, Span> calls = new HashMap<>();
      for (Span span : spans.spans()) {
        if (span.kind() == Span.Kind.CLIENT) {
          String url = String.valueOf(span.attributes().get("url.full"));
          String number = url.substring(url.lastIndexOf('/') + 1);
          assertThat(calls.put(number, span)).as(number).isNull();
          assertThat(span.parentId())
              .as(number)
              .isEqualTo(parents.get(number.substring(0, number.lastIndexOf('-'))));
        }
      }
      assertThat(calls).hasSize(handlers * each);
      assertNothingLost(app);
    }
  }
}
