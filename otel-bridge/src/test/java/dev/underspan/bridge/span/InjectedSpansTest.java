package dev.underspan.bridge.span;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.bridge.wire.TraceHead;
import org.junit.jupiter.api.Test;

class InjectedSpansTest {
  private final InjectedSpans spans = new InjectedSpans();

  private static TraceHead head(long spanId) {
    return new TraceHead(1, 2, spanId, 1);
  }

  @Test
  void eachOnlyOnce() {
    spans.put(7, head(8));
    assertThat(spans.take(9)).isNull();
    assertThat(spans.take(7)).isEqualTo(head(8));
    assertThat(spans.take(7)).isNull();
  }

  @Test
  void theEldestGivesWay() {
    int limit = 16_384;
    int all = limit + 100;
    for (int i = 1; i <= all; i++) {
      spans.put(i, head(-i));
    }
    int kept = 0;
    for (int i = 1; i <= all; i++) {
      if (spans.take(i) != null) {
        assertThat(i).isGreaterThan(100);
        kept++;
      }
    }
    assertThat(kept).isEqualTo(limit);
  }
}
