package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.Jdks;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.io.File;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Certificates of clients on both sides' spans, under the real jar. Root. */
class MutualTlsIT {
  private static final List<String> SERVERS = List.of("jdk", "tomcat", "netty");
  private static final List<String> WAYS = List.of("engine", "socket");
  private static final int ROUNDS = 3;

  @TempDir static Path directory;
  private static TestKeys serverKeys;
  private static ClientKeys clientKeys;

  @BeforeAll
  static void makeKeys() throws Exception {
    serverKeys = TestKeys.make(directory);
    clientKeys = ClientKeys.make(directory);
  }

  private static AppUnderAgent.Builder builder(Path home, OtlpReceiver receiver, String auth) {
    return new AppUnderAgent.Builder(home, directory, receiver.endpoint())
        .libraries()
        .command(
            "dev.underspan.matrix.MutualTlsApp",
            serverKeys.store().toString(),
            clientKeys.store().toString(),
            ClientKeys.PASSWORD,
            auth);
  }

  /** What came of a call: its span, and that of the server below it, by the number in its path. */
  private record Both(Span client, Span server) {}

  /** Runs the calls, each with a number of its own, and finds their spans. */
  private static Map<Integer, Both> call(AppUnderAgent app, TraceStore spans, List<String> calls)
      throws Exception {
    for (int i = 0; i < calls.size(); i++) {
      assertThat(app.get(calls.get(i) + "/" + i)).isEqualTo("ok");
    }
    spans.settle(Duration.ofMillis(700), Duration.ofSeconds(20));
    List<Span> all = spans.spans();
    Map<Integer, Span> clients = new TreeMap<>();
    Map<Integer, Both> both = new TreeMap<>();
    for (Span span : all) {
      String url = String.valueOf(span.attributes().get("url.full"));
      if (span.kind() == Span.Kind.CLIENT && url.contains("/inner/")) {
        assertThat(clients.put(number(url), span)).as(url).isNull();
      }
    }
    for (Span span : all) {
      String path = String.valueOf(span.attributes().get("url.path"));
      if (span.kind() == Span.Kind.SERVER && path.startsWith("/inner/")) {
        Span client = clients.get(number(path));
        assertThat(client).as(path).isNotNull();
        assertThat(span.parentId()).as(path).isEqualTo(client.spanId());
        assertThat(both.put(number(path), new Both(client, span))).as(path).isNull();
      }
    }
    assertThat(both).hasSize(calls.size());
    return both;
  }

  private static int number(String path) {
    return Integer.parseInt(path.substring(path.lastIndexOf('/') + 1));
  }

  private static List<String> calls(String... keys) {
    List<String> calls = new ArrayList<>();
    for (int round = 0; round < ROUNDS; round++) {
      for (String server : SERVERS) {
        for (String way : WAYS) {
          for (String key : keys) {
            calls.add("/" + server + "/" + way + "/" + key);
          }
        }
      }
    }
    return calls;
  }

  private static void assertSigned(Span span) throws Exception {
    assertThat(span.attributes())
        .containsEntry("tls.client.hash.sha256", clientKeys.sha256("signed"))
        .containsEntry("tls.client.issuer", ClientKeys.ISSUER)
        .containsEntry(
            "tls.client.not_before",
            clientKeys.certificate("signed").getNotBefore().toInstant().toString())
        .containsEntry(
            "tls.client.not_after",
            clientKeys.certificate("signed").getNotAfter().toInstant().toString());
  }

  private static void assertNothing(Span span) {
    assertThat(span.attributes())
        .containsKey("tls.protocol.version")
        .doesNotContainKeys("tls.client.hash.sha256", "tls.client.issuer", "tls.client.subject");
  }

  static Stream<Arguments> versions() throws Exception {
    return Jdks.homes()
        .flatMap(home -> Stream.of(Arguments.of(home, "1.2"), Arguments.of(home, "1.3")));
  }

  /** Handshakes in full and resumed ones. */
  @ParameterizedTest
  @MethodSource("versions")
  void bothSidesTellOfTheCertificate(Path home, String version) throws Exception {
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app =
            builder(home, receiver, "need")
                .agent("debug=true")
                .jvm("-Djdk.tls.client.protocols=TLSv" + version)
                .start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      List<String> calls = calls("signed", "selfsigned");
      Map<Integer, Both> both = call(app, spans, calls);
      List<String> resumed = new ArrayList<>();
      for (Map.Entry<Integer, Both> entry : both.entrySet()) {
        String call = calls.get(entry.getKey());
        for (Span span : List.of(entry.getValue().client(), entry.getValue().server())) {
          assertThat(span.attributes())
              .as(call)
              .containsEntry("tls.protocol.version", version)
              .doesNotContainKey("tls.client.subject");
          if (call.endsWith("/signed")) {
            assertSigned(span);
          } else {
            // Its issuer is its subject.
            assertThat(span.attributes())
                .as(call)
                .containsEntry("tls.client.hash.sha256", clientKeys.sha256("selfsigned"))
                .containsKey("tls.client.not_after")
                .doesNotContainKey("tls.client.issuer");
          }
        }
        if (Boolean.TRUE.equals(entry.getValue().server().attributes().get("tls.resumed"))) {
          resumed.add(call);
        }
      }
      assertThat(resumed).contains("/jdk/socket/signed", "/tomcat/socket/signed");
      assertThat(app.end()).isZero();
      assertThat(app.errors()).contains("underspan.instrumentation.failures=0", "tlsDropped=0");
    }
  }

  @Test
  void aSubjectIsToldWhenThatIsSwitchedOn() throws Exception {
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app =
            builder(Path.of(System.getProperty("java.home")), receiver, "want")
                .agent("debug=true", "tls.client.subject=true")
                .start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      List<String> calls = calls("signed", "selfsigned", "none");
      for (Map.Entry<Integer, Both> entry : call(app, spans, calls).entrySet()) {
        String call = calls.get(entry.getKey());
        String name = call.endsWith("/signed") ? "alice" : "bob";
        for (Span span : List.of(entry.getValue().client(), entry.getValue().server())) {
          if (call.endsWith("/none")) {
            assertNothing(span); // a server that only wants one is content without
          } else {
            assertThat(span.attributes())
                .as(call)
                .containsEntry("tls.client.subject", "CN=" + name + ", O=Underspan")
                .containsEntry(
                    "tls.client.issuer",
                    name.equals("alice") ? ClientKeys.ISSUER : "CN=bob, O=Underspan");
          }
        }
      }
      assertThat(app.end()).isZero();
      assertThat(app.errors()).contains("underspan.instrumentation.failures=0");
    }
  }

  private static String officialAgent() {
    String all =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    return Stream.of(all.split(File.pathSeparator))
        .filter(path -> path.matches(".*/opentelemetry-javaagent-[0-9][^/]*jar"))
        .findFirst()
        .orElseThrow();
  }

  static Stream<Arguments> orders() throws Exception {
    UnaryOperator<AppUnderAgent.Builder> first =
        builder -> builder.jvm("-javaagent:" + officialAgent());
    UnaryOperator<AppUnderAgent.Builder> second =
        builder -> builder.jvmAfter("-javaagent:" + officialAgent());
    return Jdks.homes()
        .flatMap(
            home ->
                Stream.of(
                    Arguments.of(home, "first", first), Arguments.of(home, "second", second)));
  }

  /** Server spans of the OpenTelemetry agent, which stands before or behind ours. */
  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("orders")
  void serverSpansOfAnotherAgent(
      Path home, String order, UnaryOperator<AppUnderAgent.Builder> ordered) throws Exception {
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app =
            ordered
                .apply(
                    builder(home, receiver, "want")
                        .agent("debug=true")
                        .environment("OTEL_METRICS_EXPORTER", "none")
                        .environment("OTEL_LOGS_EXPORTER", "none"))
                .start()) {
      assertThat(app.level()).contains("mode enrich: the OpenTelemetry agent's spans");
      List<String> calls = calls("signed", "none");
      List<String> missed = new ArrayList<>();
      for (Map.Entry<Integer, Both> entry : call(app, spans, calls).entrySet()) {
        String call = calls.get(entry.getKey());
        Span server = entry.getValue().server();
        if (!server.attributes().containsKey("tls.protocol.name")) {
          missed.add(call); // it ended before the handshake's events could be read
          continue;
        }
        assertThat(server.attributes())
            .as("%s %s", order, call)
            .containsEntry("underspan.level", "kernel")
            .containsEntry("tls.protocol.name", "tls")
            .containsEntry("tls.protocol.version", "1.3")
            .containsEntry("tls.client.server_name", "localhost")
            .containsKeys("tls.cipher", "tls.resumed");
        if (call.endsWith("/signed")) {
          assertSigned(server);
        } else {
          assertNothing(server);
        }
      }
      // What came in the clear tells of none.
      assertThat(spans.spans())
          .filteredOn(
              span ->
                  span.kind() == Span.Kind.SERVER
                      && !String.valueOf(span.attributes().get("url.path")).startsWith("/inner/"))
          .hasSize(calls.size())
          .allSatisfy(
              span -> assertThat(span.attributes()).doesNotContainKey("tls.protocol.version"));
      assertThat(app.end()).isZero();
      assertThat(missed)
          .hasSizeLessThanOrEqualTo(app.counted("underspan.enrich.missed"))
          .hasSizeLessThan(calls.size() / 4);
      assertThat(app.errors()).doesNotContain("WARNING: instrumentation");
    }
  }
}
