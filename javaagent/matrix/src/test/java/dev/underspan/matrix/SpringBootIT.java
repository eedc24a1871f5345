package dev.underspan.matrix;

import static dev.underspan.matrix.PathSpans.REQUESTS;
import static dev.underspan.matrix.PathSpans.assertCall;
import static dev.underspan.matrix.PathSpans.assertQuiet;
import static dev.underspan.matrix.PathSpans.await;
import static dev.underspan.matrix.PathSpans.byPath;
import static dev.underspan.matrix.PathSpans.root;
import static dev.underspan.matrix.PathSpans.send;
import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Spring Boot 3 as one jar of jars, started by its own loader: Spring MVC on Tomcat with Spring's
 * clients. Without tracing of its own, and with Micrometer's on OpenTelemetry's SDK. Root.
 */
class SpringBootIT {
  private static final List<String> WAYS = List.of("rest", "web", "future", "callable");
  private static final int EACH = REQUESTS / 4;
  private static final int WARM_UP = 31;

  @TempDir Path directory;

  private AppUnderAgent.Builder app(Path home, String endpoint, String variant) {
    Path jar =
        Path.of(
            System.getProperty("underspan.repo.root"),
            "javaagent/spring-boot/target/boot-" + variant + ".jar");
    assertThat(jar).exists();
    return new AppUnderAgent.Builder(home, directory, endpoint)
        .jvm("-Xmx256m", "-XX:TieredStopAtLevel=1") // starts sooner
        .jar(jar);
  }

  private static int status(AppUnderAgent app, String path) throws Exception {
    URI uri = URI.create("http://localhost:" + app.port + path);
    return HttpClient.newHttpClient()
        .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.discarding())
        .statusCode();
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void routesAndCalls(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, receiver.endpoint(), "plain").start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets", "mode standalone");
      int seen = 0;
      for (String way : WAYS) {
        store.clear();
        send(app, "/" + way + "/", EACH, null);
        seen += 3 * EACH;
        List<Span> received = await(store, seen);
        assertThat(received).hasSize(3 * EACH);
        Map<String, Span> spans = byPath(received);
        for (int n = 0; n < EACH; n++) {
          Span root = root(spans, "/" + way + "/" + n);
          assertRoute(root, "/" + way + "/{n}");
          assertRoute(spans.get("SERVER /inner/" + n), "/inner/{n}");
          assertCall(spans, root, "/inner/" + n);
        }
        assertThat(spans).isEmpty();
      }
      store.clear();
      assertThat(status(app, "/denied/0")).isEqualTo(403);
      Span denied = byPath(await(store, seen + 1)).get("SERVER /denied/0");
      assertThat(denied.text("http.route")).isNull();
      assertThat(denied.name()).isEqualTo("GET");
      assertThat(denied.number("http.response.status_code")).isEqualTo(403);
      assertQuiet(app);
    }
  }

  private static void assertRoute(Span span, String route) {
    assertThat(span.text("http.route")).isEqualTo(route);
    assertThat(span.name()).isEqualTo("GET " + route);
  }

  /**
   * The mode is chosen by itself; a span's service tells who has sent it. Not to a thread of
   * Spring's executor: Boot's tracing does not go there by itself.
   */
  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void besideMicrometersTracing(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            app(home, receiver.endpoint(), "traced")
                .environment("MANAGEMENT_OTLP_TRACING_ENDPOINT", receiver.endpoint() + "/v1/traces")
                .agent("debug=true", "otel.service.name=own") // Boot asks the environment only
                .start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      assertThat(app.errors()).contains("mode enrich: spans of the application's own");
      int seen = 0;
      int withoutFacts = 0;
      for (String way : WAYS.subList(0, 3)) {
        send(app, "/" + way + "/", WARM_UP, null); // loads classes and compiles
        seen += 3 * WARM_UP;
        await(store, seen);
        store.clear();
        send(app, "/" + way + "/", EACH, null);
        seen += 3 * EACH;
        List<Span> received = await(store, seen);
        assertThat(received).as("%s: %s", way, names(received)).hasSize(3 * EACH);
        withoutFacts += assertEnriched(received, way);
      }
      assertThat(app.end()).isZero();
      // A call whose events come too late for its span's end is counted.
      assertThat(withoutFacts)
          .isLessThanOrEqualTo(app.counted("underspan.enrich.missed"))
          .isLessThan(EACH);
      assertThat(app.errors())
          .contains("underspan.instrumentation.failures=0")
          .doesNotContain("closed twice");
    }
  }

  private static Map<String, Integer> names(List<Span> spans) {
    Map<String, Integer> counts = new HashMap<>();
    spans.forEach(
        span ->
            counts.merge(
                span.service() + " " + span.kind() + " " + span.name(), 1, Math::addExact));
    return counts;
  }

  /** Micrometer's spans, three in a row, with what the kernel knows; how many calls lack that. */
  private static int assertEnriched(List<Span> spans, String way) {
    Map<String, Span> byParent = new HashMap<>();
    List<Span> roots = new ArrayList<>();
    for (Span span : spans) {
      assertThat(span.service()).isEqualTo("app");
      assertThat(span.text("underspan.level")).as("%s", span).isEqualTo("kernel");
      if (span.parentId().isEmpty()) {
        roots.add(span);
      } else {
        assertThat(byParent.put(span.parentId(), span)).isNull();
      }
    }
    assertThat(roots).hasSize(EACH);
    int withoutFacts = 0;
    for (Span root : roots) {
      String path = root.text("http.url");
      assertThat(root.name()).isEqualTo("http get /" + way + "/{n}");
      assertThat(root.number("underspan.queue.receive")).as("%s", root).isPositive();
      Span call = byParent.get(root.spanId());
      String inner = path.replace("/" + way + "/", "/inner/");
      assertThat(call.kind()).isEqualTo(Span.Kind.CLIENT);
      assertThat(call.text("http.url")).endsWith(inner);
      if (call.number("underspan.net.bytes_out") == 0
          || call.number("underspan.net.bytes_in") == 0) {
        withoutFacts++;
      }
      Span answer = byParent.get(call.spanId());
      assertThat(answer.text("http.url")).isEqualTo(inner);
      assertThat(answer.number("underspan.queue.receive")).as("%s", answer).isPositive();
    }
    return withoutFacts;
  }
}
