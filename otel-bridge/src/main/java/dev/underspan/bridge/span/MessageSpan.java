package dev.underspan.bridge.span;

import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.activity.SpanTime;
import dev.underspan.bridge.clock.EpochClock;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.context.Context;
import java.util.concurrent.TimeUnit;

/** The span of one message, current on the thread that began it. Thread-safe. */
abstract class MessageSpan {
  private final Activities activities;
  private final Activity activity;
  private final Activities.Scope scope;
  private boolean ended;

  MessageSpan(Activities activities, EpochClock clock, SpanBuilder builder, Context parent) {
    this.activities = activities;
    long now = System.nanoTime();
    EpochClock.Anchor anchor = clock.anchor();
    Span span =
        builder
            .setParent(parent)
            .setStartTimestamp(anchor.epochNanos(now), TimeUnit.NANOSECONDS)
            .startSpan();
    activity = new Activity(parent.with(span), anchor);
    activity.time().begin(now);
    scope = activities.attach(activity);
  }

  Activity activity() {
    return activity;
  }

  Span span() {
    return activity.span();
  }

  /** The thread that began it turns to what it did before; on another thread nothing happens. */
  void leave() {
    if (activities.isOpenHere(scope)) {
      activities.detach(scope);
    }
  }

  /** Whether it has not ended before: who is told so describes it, then calls {@link #finish}. */
  synchronized boolean ends() {
    boolean first = !ended;
    ended = true;
    return first;
  }

  /** The span ends now. */
  void finish() {
    long now = activities.end(activity);
    Span span = activity.span();
    if (span.isRecording()) {
      SpanTime time = activity.time();
      time.budget().writeTo(span);
      span.setAttribute(Keys.LEVEL, activities.level(time.isByKernel()));
    }
    span.end(activity.anchor().epochNanos(now), TimeUnit.NANOSECONDS);
  }
}
