package dev.underspan.bridge.export;

import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Something that the agent counts of its own doing: a metric, and where it is a loss, what to say
 * of it.
 *
 * @param metric the metric's name; several counters may share one and differ by reason
 * @param unit as OpenTelemetry writes units, e.g. {@code {event}}
 * @param reason value of the attribute {@code underspan.reason}, null for none
 * @param loss what it means for the user and what to do, in one sentence; null when it is no loss
 * @param value the count so far, never less than before
 */
public record SelfCounter(
    String metric,
    String unit,
    @Nullable String reason,
    @Nullable String loss,
    LongSupplier value) {
  /** A count of what was done, or of what need not be told. */
  public static SelfCounter of(
      String metric, String unit, @Nullable String reason, LongSupplier value) {
    return new SelfCounter(metric, unit, reason, null, value);
  }

  /** A count of what was lost, and the user should know. */
  public static SelfCounter lost(
      String metric, String unit, @Nullable String reason, String loss, LongSupplier value) {
    return new SelfCounter(metric, unit, reason, loss, value);
  }

  /** Metric and reason, for people. */
  public String label() {
    return reason == null ? metric : metric + "{" + reason + "}";
  }
}
