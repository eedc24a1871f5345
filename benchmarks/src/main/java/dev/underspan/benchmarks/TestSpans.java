package dev.underspan.benchmarks;

import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.clock.EpochClock;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Context;

/** Activities to make current. */
final class TestSpans {
  private TestSpans() {}

  /** One whose span has begun. */
  static Activity activity(String spanId) {
    Activity activity =
        new Activity(
            Context.root()
                .with(
                    Span.wrap(
                        SpanContext.create(
                            "4bf92f3577b34da6a3ce929d0e0e4736",
                            spanId,
                            TraceFlags.getSampled(),
                            TraceState.getDefault()))),
            new EpochClock().anchor());
    activity.time().begin(System.nanoTime());
    return activity;
  }
}
