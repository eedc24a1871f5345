package dev.underspan;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.Trace;
import dev.underspan.demo.TraceStore;
import dev.underspan.sample.load.PostgresLauncher;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The real jar beside the official OpenTelemetry agent, in either order, and beside an
 * application's own SDK: their spans get our attributes, and no span is there twice. Root.
 */
class BesideOpenTelemetryIT {
  private static final long MS = 1_000_000;
  private static final int ROUNDS = 11; // prime
  private static final String MAIN = "dev.underspan.testapp.TracedApp";

  @TempDir static Path postgresLog;
  @TempDir Path directory;

  /** Calls whose span ended before their events could be read; the agent counts them. */
  private int withoutFacts;

  private static PostgresLauncher database;

  @BeforeAll
  static void startDatabase() throws Exception {
    database =
        PostgresLauncher.start(
            postgresLog.resolve("postgres.log"), Duration.ofSeconds(30), Duration.ofSeconds(5));
  }

  @AfterAll
  static void stopDatabase() throws Exception {
    database.close();
  }

  private static String url() {
    return "jdbc:postgresql://127.0.0.1:" + database.port() + "/postgres?user=postgres";
  }

  private static List<Path> jars(String pattern) {
    String all =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    return Stream.of(all.split(File.pathSeparator))
        .map(Path::of)
        .filter(path -> path.getFileName().toString().matches(pattern))
        .toList();
  }

  private static String officialAgent() {
    List<Path> found = jars("opentelemetry-javaagent-[0-9].*jar");
    assertThat(found).hasSize(1);
    return "-javaagent:" + found.get(0);
  }

  private static Path jdk(boolean newest) throws Exception {
    List<Path> homes = Jdks.homes().toList();
    return homes.get(newest ? homes.size() - 1 : 0);
  }

  private AppUnderAgent.Builder app(Path home, OtlpReceiver receiver) {
    return new AppUnderAgent.Builder(home, directory, receiver.endpoint())
        .jvm("-Xmx256m")
        .classPath(jars("postgresql-.*jar"))
        .agent("debug=true") // for its counters at the end
        .environment("OTEL_METRICS_EXPORTER", "none")
        .environment("OTEL_LOGS_EXPORTER", "none")
        .command(MAIN, url());
  }

  private static List<Trace> load(AppUnderAgent app, TraceStore store, int spans) throws Exception {
    app.get("/outer");
    app.get("/db");
    // The first ones load classes and compile; what is looked at is what comes after.
    await(store, 1);
    Thread.sleep(600);
    store.clear();
    for (int i = 0; i < ROUNDS; i++) {
      app.get("/outer");
      assertThat(app.get("/db")).isEqualTo("slept");
    }
    await(store, spans);
    Thread.sleep(400); // for those that should not come
    return store.traces();
  }

  private static void await(TraceStore store, int count) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (store.size() < count && System.nanoTime() < deadline) {
      Thread.sleep(20);
    }
  }

  private static Trace.Node only(Trace trace) {
    assertThat(trace.roots()).as("%s", trace.spans()).hasSize(1);
    return trace.roots().get(0);
  }

  private static Span onlyChild(Trace.Node node) {
    assertThat(node.children()).as("%s", node).hasSize(1);
    return node.children().get(0).span();
  }

  private static void assertEnriched(Span span) {
    assertThat(span.text("underspan.level")).as("%s", span).isEqualTo("kernel");
    long tolerance = Math.max(span.durationNanos() / 200, 20_000);
    assertThat(Budget.addsUp(span, tolerance)).as("%s", span).isTrue();
  }

  private static void assertServer(Span span) {
    assertEnriched(span);
    assertThat(span.kind()).isEqualTo(Span.Kind.SERVER);
    assertThat(span.number("underspan.queue.receive")).as("%s", span).isPositive();
    assertThat(span.number("underspan.net.bytes_in")).as("%s", span).isPositive();
    assertThat(span.number("underspan.tcp.rtt")).as("%s", span).isPositive();
  }

  /** Whether the call has what the kernel knows of it, and then it is right. */
  private boolean assertCall(Span span) {
    assertEnriched(span);
    assertThat(span.kind()).isEqualTo(Span.Kind.CLIENT);
    if (span.number("underspan.net.bytes_out") == 0 || span.number("underspan.net.bytes_in") == 0) {
      withoutFacts++;
      return false;
    }
    assertThat(span.number("underspan.net.bytes_out")).as("%s", span).isBetween(20L, 1000L);
    assertThat(span.number("underspan.net.bytes_in")).as("%s", span).isBetween(20L, 1000L);
    assertThat(span.number("underspan.net.first_byte"))
        .as("%s", span)
        .isBetween(1L, span.durationNanos());
    assertThat(span.number("underspan.tcp.rtt")).as("%s", span).isPositive();
    return true;
  }

  /** The query sleeps for 30 ms before it answers. */
  private void assertQuery(Span span) {
    if (assertCall(span)) {
      assertThat(span.number("underspan.net.first_byte")).as("%s", span).isGreaterThan(29 * MS);
    }
    assertThat(span.number("underspan.time.network")).as("%s", span).isGreaterThan(25 * MS);
  }

  /** Ends it; the few calls without facts, on a busy machine, must be those that it counted. */
  private void assertEnd(AppUnderAgent app) throws Exception {
    assertThat(app.end()).isZero();
    assertThat(withoutFacts)
        .as(app.errors())
        .isLessThanOrEqualTo(app.counted("underspan.enrich.missed"))
        .isLessThan(ROUNDS / 2);
  }

  private void assertBesideOfficial(AppUnderAgent app, TraceStore store, boolean ownQuery)
      throws Exception {
    assertThat(app.level()).contains("mode enrich: the OpenTelemetry agent's spans");
    List<Trace> traces = load(app, store, 5 * ROUNDS);
    assertThat(traces).hasSize(2 * ROUNDS);
    for (Trace trace : traces) {
      Trace.Node server = only(trace);
      assertServer(server.span());
      Span call = onlyChild(server);
      if (trace.spans().size() == 3) {
        assertThat(server.span().text("url.path")).isEqualTo("/outer");
        assertCall(call);
        assertServer(onlyChild(server.children().get(0)));
      } else {
        assertThat(trace.spans()).hasSize(2);
        assertThat(server.span().text("url.path")).isEqualTo("/db");
        assertQuery(call);
        // Ours are the only ones that know the peer's address without the agent's own query.
        assertThat(call.text("thread.name") == null).isEqualTo(ownQuery);
      }
    }
    assertThat(Files.readAllLines(app.stderr).stream().filter(line -> line.contains("[underspan]")))
        .hasSize(1);
    assertEnd(app);
    assertThat(Files.readString(app.stderr)).doesNotContain("WARNING: instrumentation");
  }

  @Test
  void besideTheOfficialAgentThatCameFirst() throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(jdk(false), receiver).jvm("-Xmx256m", officialAgent()).start()) {
      assertBesideOfficial(app, store, false);
    }
  }

  @Test
  void beforeTheOfficialAgent() throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(jdk(true), receiver).jvmAfter(officialAgent()).start()) {
      assertBesideOfficial(app, store, false);
    }
  }

  @Test
  void aCallThatTheOfficialAgentDoesNotTraceGetsASpanOfOurs() throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            app(jdk(false), receiver)
                .jvmAfter(officialAgent())
                .byToolOptions()
                .environment("OTEL_INSTRUMENTATION_JDBC_ENABLED", "false")
                .start()) {
      assertBesideOfficial(app, store, true);
    }
  }

  @Test
  void besideAnApplicationsOwnSdk() throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            app(jdk(true), receiver)
                .classPath(jars("(postgresql|opentelemetry-(?!javaagent)|okhttp|okio|kotlin).*jar"))
                .command(MAIN, url(), "sdk")
                .start()) {
      app.level();
      List<Trace> traces = load(app, store, 5 * ROUNDS);
      assertThat(Files.readString(app.stderr))
          .contains("mode enrich: spans of the application's own OpenTelemetry SDK");
      int calls = 0;
      int queries = 0;
      for (Trace trace : traces) {
        Trace.Node server = only(trace);
        if (server.span().name().equals("GET /outer")) {
          // It has no span for its HTTP call, so that one is ours.
          assertThat(trace.spans()).as("%s", trace.spans()).hasSize(2);
          assertServer(server.span());
          assertCall(onlyChild(server));
          assertThat(onlyChild(server).service()).isEqualTo("app");
          calls++;
        } else if (server.span().name().equals("GET /db")) {
          assertThat(trace.spans()).as("%s", trace.spans()).hasSize(2);
          assertServer(server.span());
          Span query = onlyChild(server);
          assertQuery(query);
          assertThat(query.service()).isEqualTo("own");
          queries++;
        } else {
          assertThat(trace.spans()).as("%s", trace.spans()).hasSize(1); // it propagates nothing
          assertServer(server.span());
        }
      }
      assertThat(List.of(calls, queries)).containsOnly(ROUNDS);
      assertEnd(app);
    }
  }

  @Test
  void aModeThatIsNoneAndAnInstrumentationThatIsOff() throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(jdk(false), directory, receiver.endpoint())
                .agent(
                    "mode=both",
                    "instrumentation.jdk-httpserver.enabled=false",
                    "instrumentation.socket-server.enabled=false")
                .start()) {
      assertThat(app.level()).contains("mode standalone");
      assertThat(Files.readString(app.stderr))
          .contains("underspan.mode=both is not one of [auto, standalone, enrich]; using auto");
      assertThat(app.get("/outer")).isEqualTo("null");
      assertThat(app.end()).isZero();
    }
    for (Trace trace : store.traces()) {
      assertThat(trace.spans()).noneMatch(span -> span.kind() == Span.Kind.SERVER);
    }
  }
}
