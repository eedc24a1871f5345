package dev.underspan;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.Trace;
import dev.underspan.demo.TraceStore;
import dev.underspan.sample.load.LoadDriver;
import dev.underspan.sample.load.LoadDriver.Plan;
import dev.underspan.sample.load.LoadDriver.Situation;
import dev.underspan.sample.load.Service;
import dev.underspan.sample.load.Shop;
import dev.underspan.sample.load.ShopOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Three real services, a real PostgreSQL and known situations under the real jar. Root. */
class ShopUnderAgentIT {
  private static final long MS = 1_000_000;

  @TempDir Path logs;

  private static long time(Span span, String kind) {
    Object value = span.attributes().get("underspan." + kind);
    return value == null ? 0 : ((Number) value).longValue();
  }

  private static List<Trace> run(Shop shop, TraceStore store, Situation situation)
      throws Exception {
    return run(shop, store, Plan.of(situation));
  }

  private static List<Trace> run(Shop shop, TraceStore store, Plan plan) throws Exception {
    store.clear();
    LoadDriver.Result result =
        new LoadDriver(shop.url(Service.STOREFRONT)).run(plan, progress -> {});
    assertThat(result.errors()).isZero();
    store.settle(Duration.ofMillis(1500), Duration.ofSeconds(20));
    return List.copyOf(store.traces());
  }

  private static List<Span> spans(List<Trace> traces) {
    List<Span> spans = new ArrayList<>();
    traces.forEach(trace -> spans.addAll(trace.spans()));
    return spans;
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void everySpanSaysWhereItsTimeWent(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        Shop shop =
            Shop.start(
                ShopOptions.builder()
                    .repoRoot(Path.of(System.getProperty("underspan.repo.root")))
                    .javaHome(home)
                    .logDir(logs)
                    .jvmArgs("-javaagent:" + System.getProperty("underspan.jar"))
                    .environment("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
                    .environment("OTEL_BSP_SCHEDULE_DELAY", "200")
                    .build())) {
      for (Service service : Service.values()) {
        awaitLevel(shop.log(service));
      }

      List<Trace> normal = run(shop, store, Situation.NORMAL);
      List<Span> all = spans(normal);
      assertThat(normal.stream().filter(trace -> trace.services().size() == 3).count())
          .isGreaterThanOrEqualTo(200);
      // Every call that left a service in a request has the right parent, which is a server span.
      assertThat(normal).allSatisfy(trace -> assertThat(trace.roots()).hasSize(1));
      assertThat(all)
          .filteredOn(span -> span.kind() == Span.Kind.CLIENT)
          .hasSizeGreaterThan(600)
          .allSatisfy(span -> assertThat(span.parentId()).isNotEmpty());
      List<Span> locked = spans(run(shop, store, Situation.LOCK));
      assertThat(locked)
          .anySatisfy(
              span -> {
                assertThat(span.service()).isEqualTo("pricing");
                assertThat(time(span, "time.lock")).isGreaterThan(100 * MS);
                assertThat(span.events())
                    .anySatisfy(
                        event -> {
                          assertThat(event.name()).isEqualTo("underspan.blocked");
                          assertThat(event.text("underspan.blocked.kind")).isEqualTo("lock");
                          assertThat(event.text("code.stacktrace"))
                              .contains("dev.underspan.sample");
                        });
              });

      List<Span> slow = spans(run(shop, store, Situation.SLOW_SQL));
      assertThat(slow)
          .filteredOn(span -> "postgresql".equals(span.attributes().get("db.system.name")))
          .filteredOn(span -> span.endNanos() - span.startNanos() >= 300 * MS)
          .hasSizeGreaterThanOrEqualTo(20)
          .allSatisfy(
              span -> {
                assertThat(time(span, "time.network")).isGreaterThan(250 * MS);
                assertThat((String) span.attributes().get("db.query.text")).contains("pg_sleep");
              });

      List<Span> saturated = spans(run(shop, store, Situation.SATURATED));
      assertThat(saturated)
          .filteredOn(span -> span.service().equals("pricing"))
          .filteredOn(span -> time(span, "queue.receive") > 100 * MS)
          .isNotEmpty()
          .allSatisfy(
              span ->
                  assertThat(time(span, "time.idle"))
                      .isGreaterThanOrEqualTo(time(span, "queue.receive")));

      Plan full = Plan.of(Situation.NORMAL).withRequests(800).withClients(40);
      assertAddUp(spans(run(shop, store, full)), 3000);
      Plan queued = Plan.of(Situation.SATURATED).withRequests(400).withMillis(20);
      assertAddUp(spans(run(shop, store, queued)), 1000);
    }
  }

  /** The kinds sum to the duration within 0.5 %, for 99.9 % of the spans over a millisecond. */
  private static void assertAddUp(List<Span> all, int atLeast) {
    List<Span> spans = new ArrayList<>(all);
    // On several threads at once a span has more time than it lasts.
    spans.removeIf(
        span -> span.endNanos() - span.startNanos() < MS || time(span, "time.threads") > 1);
    assertThat(spans).hasSizeGreaterThan(atLeast);
    List<String> off = new ArrayList<>();
    for (Span span : spans) {
      long duration = span.endNanos() - span.startNanos();
      if (Math.abs(Budget.sum(span) - duration) > duration / 200) {
        off.add(
            (Budget.sum(span) - duration)
                + " of "
                + duration
                + " ns: "
                + span.name()
                + " "
                + span.attributes());
      }
    }
    assertThat(off)
        .as("off by more than 0.5 %%, of %d", spans.size())
        .hasSizeLessThanOrEqualTo(spans.size() / 1000);
  }

  private static void awaitLevel(Path log) throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (!Files.readString(log).contains("[underspan] level kernel")) {
      assertThat(System.nanoTime()).as(Files.readString(log)).isLessThan(deadline);
      Thread.sleep(50);
    }
  }
}
