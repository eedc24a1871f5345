package dev.underspan.bridge.span;

import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.clock.EpochClock;
import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.context.propagation.TextMapPropagator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A span for each record of Kafka's while a thread works on it. Its parent is the one that the
 * record's headers name, so that a message's trace goes on where it is handled.
 */
public final class ConsumerSpans {
  private final Tracer tracer;
  private final TextMapPropagator propagator;
  private final Activities activities;
  private final EpochClock clock;

  /** Spans go to the tracer; parents come by the propagator. */
  public ConsumerSpans(
      Tracer tracer, TextMapPropagator propagator, Activities activities, EpochClock clock) {
    this.tracer = tracer;
    this.propagator = propagator;
    this.activities = activities;
    this.clock = clock;
  }

  /** A record that is worked on. */
  public final class Processing extends MessageSpan {
    private Processing(SpanBuilder builder, Context parent) {
      super(activities, clock, builder, parent);
    }

    /** A thread is through with it, or with what came after. */
    public void end() {
      if (ends()) {
        finish();
      }
      leave();
    }
  }

  /**
   * The calling thread turns to a record, one of Kafka's class of that name.
   *
   * @param request the span of the request that has brought it; null if that is not known
   */
  public Processing start(
      Object record,
      @Nullable String group,
      @Nullable String clientId,
      @Nullable SpanContext request) {
    KafkaRecord api = KafkaRecord.of(record);
    String topic = api.topic(record);
    Activity current = activities.current();
    Context parent =
        propagator.extract(
            current == null ? Context.root() : current.context(), record, new Getter(api));
    SpanBuilder builder = tracer.spanBuilder("process " + topic).setSpanKind(SpanKind.CONSUMER);
    if (request != null) {
      builder.addLink(request);
    }
    Processing processing = new Processing(builder, parent);
    if (processing.span().isRecording()) {
      MessagingAttributes.describe(processing.span(), "process", topic, clientId);
      MessagingAttributes.group(processing.span(), group);
      MessagingAttributes.place(processing.span(), api.partition(record), api.offset(record));
    }
    return processing;
  }

  private record Getter(KafkaRecord api) implements TextMapGetter<Object> {
    @Override
    @SuppressWarnings("deprecation") // abstract all the same
    public Iterable<String> keys(Object record) {
      return List.of(); // no propagator of ours looks through all of them
    }

    @Override
    public @Nullable String get(@Nullable Object record, String key) {
      return record == null ? null : api.header(record, key);
    }
  }
}
