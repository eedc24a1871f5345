package dev.underspan;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.demo.Span;
import java.util.Map;

/** What a span says of its time, underspan.time.*, all in nanoseconds. */
public final class Budget {
  private static final String TIME = "underspan.time.";
  private static final String THREADS = TIME + "threads";

  private Budget() {}

  /** All kinds together. */
  public static long sum(Span span) {
    long sum = 0;
    for (Map.Entry<String, Object> attribute : span.attributes().entrySet()) {
      if (attribute.getKey().startsWith(TIME) && !attribute.getKey().equals(THREADS)) {
        sum += ((Number) attribute.getValue()).longValue();
      }
    }
    return sum;
  }

  /** The kinds add up to the duration, or to more where several threads were at it at once. */
  public static boolean addsUp(Span span, long tolerance) {
    long duration = span.durationNanos();
    long threads = Math.max(1, span.number(THREADS));
    long sum = sum(span);
    return sum >= duration - tolerance && sum <= threads * duration + tolerance;
  }

  /** The same within a hundredth or 0.1 ms. */
  public static boolean addsUp(Span span) {
    return addsUp(span, Math.max(span.durationNanos() / 100, 100_000));
  }

  /** Fails unless {@link #addsUp(Span)}. */
  public static void assertAddsUp(Span span) {
    assertThat(addsUp(span))
        .as("%s of %s adds up: %s", sum(span), span.durationNanos(), span)
        .isTrue();
  }
}
