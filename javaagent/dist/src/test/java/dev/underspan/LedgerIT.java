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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The kinds of time on server spans, against what the application measured itself. Root. */
class LedgerIT {
  private static final double MS = 1e6;

  /** The first one loads classes. */
  private static final int ATTEMPTS = 4;

  @TempDir Path directory;

  static Stream<Arguments> threads() throws Exception {
    return Jdks.homes()
        .flatMap(
            home ->
                home.toString().contains("25")
                    ? Stream.of(Arguments.of(home, "platform"), Arguments.of(home, "virtual"))
                    : Stream.of(Arguments.of(home, "platform")));
  }

  static Stream<Arguments> virtual() throws Exception {
    return threads().filter(arguments -> arguments.get()[1].equals("virtual"));
  }

  private static Map<String, Span> byPath(TraceStore store, int count) throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    Map<String, Span> spans = new HashMap<>();
    while (spans.size() < count && System.nanoTime() < deadline) {
      Thread.sleep(100);
      for (Trace trace : store.traces()) {
        for (Span span : trace.spans()) {
          String path = span.text("url.path");
          if (path != null) {
            spans.put(path, span);
          }
        }
      }
    }
    return spans;
  }

  private static double time(Span span, String kind) {
    return span.number("underspan.time." + kind) / MS;
  }

  private static double sum(Span span) {
    return Budget.sum(span) / MS;
  }

  private static void assertAddsUp(SoftAssertions softly, String path, Span span) {
    double duration = span.durationNanos() / MS;
    softly
        .assertThat(sum(span))
        .as("%s adds up: %s", path, span.attributes())
        .isBetween(
            duration - Math.max(0.1, duration / 200), duration + Math.max(0.1, duration / 200));
    softly.assertThat(time(span, "other")).as("%s other", path).isLessThan(1);
  }

  @ParameterizedTest
  @MethodSource("threads")
  void eachKindIsWhatTheApplicationMeasured(Path home, String threads) throws Exception {
    Map<String, String> kinds =
        new HashMap<>(
            Map.of(
                "lock", "lock",
                "reentrant", "lock",
                "wait", "wait",
                "future", "wait",
                "sleep", "sleep",
                "network", "network",
                "disk", "disk",
                "pinned", "sleep",
                "cpu", "cpu"));
    boolean virtual = threads.equals("virtual");
    if (virtual) {
      kinds.put("carrier", "carrier");
    } else {
      kinds.put("run_queue", "run_queue");
    }
    TraceStore store = new TraceStore();
    SoftAssertions softly = new SoftAssertions();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(home, directory, receiver.endpoint())
                .command("dev.underspan.testapp.BudgetApp", threads)
                .jvm(virtual ? "-Djdk.virtualThreadScheduler.parallelism=1" : "-XX:+UseSerialGC")
                .start()) {
      assertThat(app.level()).contains("level kernel");
      Map<String, Double> measured = new HashMap<>();
      for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        for (String kind : kinds.keySet()) {
          String path = "/" + kind + "/" + attempt;
          measured.put(path, Long.parseLong(app.get(path)) / MS);
        }
      }
      double safepoint = Long.parseLong(app.get("/safepoint/second")) / MS;
      app.get("/fanout/second");
      app.get("/long/second");
      Map<String, Span> spans = byPath(store, ATTEMPTS * kinds.size() + 3);
      kinds.forEach(
          (kind, attribute) -> {
            // A busy machine lengthens what comes before and after; it cannot make a wrong account
            // right. So one of the attempts must agree, and all of them must add up.
            List<String> wrong = new ArrayList<>();
            for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
              String path = "/" + kind + "/" + attempt;
              Span span = spans.get(path);
              assertThat(span).as(path).isNotNull();
              assertAddsUp(softly, path, span);
              double own = measured.getOrDefault(path, 0.0);
              double tolerance = Math.max(1, own / 100);
              // What it measured ends when it runs again: its wait for a processor is in it.
              // Before and after, the request spends a little of each kind as well.
              double around =
                  attribute.equals("run_queue")
                      ? 2
                      : time(span, "run_queue")
                          + time(span, "carrier")
                          + time(span, "cpu")
                          + time(span, "safepoint");
              double told = time(span, attribute);
              if (told < own - around - tolerance || told > own + tolerance + 2) {
                wrong.add(path + " " + own + " ms: " + span.attributes());
              }
            }
            softly.assertThat(wrong).as(attribute).hasSizeLessThan(ATTEMPTS);
          });
      if (virtual) {
        softly.assertThat(time(spans.get("/carrier/1"), "carrier")).isGreaterThan(60);
      }
      Span stopped = spans.get("/safepoint/second");
      assertAddsUp(softly, "/safepoint/second", stopped);
      softly
          .assertThat(time(stopped, "safepoint"))
          .as("%s (last collection %f ms)", stopped.attributes(), safepoint)
          .isGreaterThan(50);
      softly.assertThat(time(stopped, "lock")).as("%s", stopped.attributes()).isLessThan(10);

      Span fanOut = spans.get("/fanout/second");
      softly
          .assertThat(fanOut.number("underspan.time.threads"))
          .as("%s", fanOut.attributes())
          .isEqualTo(3);
      softly.assertThat(time(fanOut, "cpu") + time(fanOut, "run_queue")).isGreaterThan(110);
      softly.assertThat(sum(fanOut)).isGreaterThan(fanOut.durationNanos() / MS);

      Span slow = spans.get("/long/second");
      softly.assertThat(slow.events()).as("blocked events").hasSize(1);
      for (Span.Event event : slow.events()) {
        softly.assertThat(event.name()).isEqualTo("underspan.blocked");
        softly.assertThat(event.text("underspan.blocked.kind")).isEqualTo("sleep");
        softly
            .assertThat(((Number) event.attributes().get("underspan.blocked.duration")).longValue())
            .isBetween((long) (349 * MS), slow.durationNanos());
        softly
            .assertThat(event.text("code.stacktrace"))
            .contains("java.lang.Thread.sleep", "dev.underspan.testapp.BudgetApp")
            .doesNotContain("Underspan.");
      }
      softly.assertAll();
      assertThat(app.end()).isZero();
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void moreThreadsThanSlotsAreToldAndHarmNobody(Path home) throws Exception {
    TraceStore store = new TraceStore();
    int requests = 31; // prime
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(home, directory, receiver.endpoint())
                .command("dev.underspan.testapp.BudgetApp", "platform")
                .agent("ledger.slots=3")
                .start()) {
      assertThat(app.level()).contains("level kernel");
      HttpClient client = HttpClient.newHttpClient();
      List<CompletableFuture<HttpResponse<String>>> all = new ArrayList<>();
      for (int i = 0; i < requests; i++) {
        URI uri = URI.create("http://localhost:" + app.port + "/sleep/" + i);
        all.add(
            client.sendAsync(
                HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString()));
      }
      for (CompletableFuture<HttpResponse<String>> one : all) {
        assertThat(one.get(30, TimeUnit.SECONDS).statusCode()).isEqualTo(200);
      }
      Map<String, Span> spans = byPath(store, requests);
      assertThat(spans).hasSize(requests);
      assertThat(spans.values())
          .extracting(span -> span.text("underspan.level"))
          .contains("kernel", "process");
      spans.forEach((path, span) -> assertThat(sum(span)).isPositive());
      assertThat(app.end()).isZero();
      assertThat(Files.readString(app.stderr))
          .contains("all slots were taken", "raise underspan.ledger.slots")
          .contains("counted: underspan.ledger.refused=");
    }
  }

  /** Hundreds of thousands of switches of virtual threads, all under one span each time. */
  @ParameterizedTest
  @MethodSource("virtual")
  void aStormOfVirtualThreadsEnds(Path home, String threads) throws Exception {
    TraceStore store = new TraceStore();
    int rounds = 23; // prime
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(home, directory, receiver.endpoint())
                .command("dev.underspan.testapp.BudgetApp", threads)
                .jvm("-Xmx256m")
                .start()) {
      assertThat(app.level()).contains("level kernel");
      for (int i = 0; i < rounds; i++) {
        assertThat(Long.parseLong(app.get("/storm/" + i))).isPositive();
      }
      Map<String, Span> spans = byPath(store, rounds);
      assertThat(spans).hasSize(rounds);
      spans.forEach(
          (path, span) -> {
            double duration = span.durationNanos() / MS;
            long current = span.number("underspan.time.threads");
            assertThat(current).as("%s", span.attributes()).isBetween(2L, 101L);
            assertThat(sum(span))
                .as("%s of %f ms: %s", path, duration, span.attributes())
                .isBetween(duration * 0.995, duration * current * 1.005);
            assertThat(time(span, "other")).isLessThan(1);
          });
      assertThat(app.end()).isZero();
    }
  }

  /** Thousands of virtual threads, hundreds at once, each with its own request. */
  @ParameterizedTest
  @MethodSource("virtual")
  void tenThousandVirtualThreads(Path home, String threads) throws Exception {
    int requests = 10_000;
    String[] kinds = {"sleep", "reentrant", "wait", "lock", "future", "network"};
    String[] attributes = {"sleep", "lock", "wait", "lock", "wait", "network"};
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(home, directory, receiver.endpoint())
                .command("dev.underspan.testapp.BudgetApp", threads)
                // Else the JDK's server closes idle connections that the client is about to use.
                .jvm(
                    "-Xmx512m",
                    "-Djdk.tracePinnedThreads=off",
                    "-Dsun.net.httpserver.maxIdleConnections=1000")
                .agent("otel.bsp.max.queue.size=65536")
                .start()) {
      assertThat(app.level()).contains("level kernel");
      Map<Integer, Double> measured = new HashMap<>();
      HttpClient client = HttpClient.newHttpClient();
      Semaphore inFlight = new Semaphore(1000);
      List<CompletableFuture<?>> all = new ArrayList<>();
      for (int i = 0; i < requests; i++) {
        inFlight.acquire();
        int number = i;
        String path = "/" + kinds[i % kinds.length] + "/" + number;
        URI uri = URI.create("http://localhost:" + app.port + path);
        all.add(
            client
                .sendAsync(
                    HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString())
                .thenAccept(
                    response -> {
                      synchronized (measured) {
                        measured.put(number, Long.parseLong(response.body()) / MS);
                      }
                    })
                .whenComplete((done, failed) -> inFlight.release()));
      }
      CompletableFuture.allOf(all.toArray(new CompletableFuture<?>[0])).get(90, TimeUnit.SECONDS);
      assertThat(measured).hasSize(requests);
      Map<String, Span> spans = byPath(store, requests);
      assertThat(spans).hasSize(requests);
      SoftAssertions softly = new SoftAssertions();
      int wrong = 0;
      for (int i = 0; i < requests; i++) {
        String path = "/" + kinds[i % kinds.length] + "/" + i;
        Span span = spans.get(path);
        double duration = span.durationNanos() / MS;
        double attributed = time(span, attributes[i % kinds.length]);
        double own = measured.get(i);
        // To be notified is to want the monitor back, which is a lock's time.
        double around =
            time(span, "run_queue")
                + time(span, "carrier")
                + time(span, "cpu")
                + time(span, "lock")
                + time(span, "safepoint");
        boolean adds =
            !span.attributes().containsKey("underspan.time.threads")
                && Math.abs(sum(span) - duration) <= Math.max(0.1, duration / 200);
        boolean right = attributed >= own - around - Math.max(1, own / 100);
        if ((!adds || !right) && wrong++ < 10) {
          softly.fail(
              "%s: own %f, %f of %f ms: %s", path, own, sum(span), duration, span.attributes());
        }
      }
      softly.assertThat(wrong).as("wrong of %d", requests).isZero();
      softly.assertAll();
      assertThat(app.end()).isZero();
    }
  }
}
