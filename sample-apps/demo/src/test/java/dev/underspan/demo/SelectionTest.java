package dev.underspan.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SelectionTest {
  private static final List<Trace> TRACES =
      List.of(
          Traces.saturated(), Traces.normal(), Traces.lock(), Traces.slowSql(), Traces.awkward());

  @Test
  void theTraceAtTheQuantile() {
    Set<String> services = Set.of("storefront", "pricing");
    assertThat(Selection.typical(TRACES, services, 0.5).orElseThrow().durationNanos())
        .isEqualTo(331_000_000);
    assertThat(Selection.typical(TRACES, services, 0.9).orElseThrow().durationNanos())
        .isEqualTo(800_000_000);
  }

  @Test
  void tracesThatLackAServiceAreLeftOut() {
    Set<String> services = Set.of("storefront", "pricing", "inventory");
    assertThat(Selection.typical(TRACES, services, 0.9).orElseThrow().durationNanos())
        .isEqualTo(331_000_000);
    assertThat(Selection.typical(TRACES, Set.of("nobody"), 0.5)).isEmpty();
    assertThat(Selection.fullest(TRACES).orElseThrow().services()).contains("deep");
  }

  @Test
  void totals() {
    Totals totals = Totals.NONE.plus(4, 1, List.of(Traces.slowSql(), Traces.awkward()));
    assertThat(totals.spans()).isEqualTo(6 + 76);
    assertThat(totals.measured()).isBetween(30L, 82L);
    assertThat(Totals.NONE.plus(1, 0, List.of(Traces.slowSql())).summary())
        .isEqualTo(
            """
            1 requests (0 failed), 6 spans received
            100 % of 6 spans longer than 1 ms: the kinds of time add up to the duration within 1 %
            100 % of 3 client spans: the parent is in the same trace
            """);
  }
}
