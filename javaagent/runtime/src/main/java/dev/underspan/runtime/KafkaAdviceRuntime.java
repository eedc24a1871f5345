package dev.underspan.runtime;

import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.enrich.ForeignSpans;
import dev.underspan.bridge.span.AnnouncedCalls;
import dev.underspan.bridge.span.ConsumerSpans;
import dev.underspan.bridge.span.ProducerSpans;
import io.opentelemetry.api.trace.SpanContext;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.NullUnmarked;
import org.jspecify.annotations.Nullable;

/** What advice on Kafka's clients calls, carried out by the bridge. */
@NullUnmarked // the interface speaks plain Java, since it lives in java.lang
final class KafkaAdviceRuntime implements UnderspanKafkaRuntime {
  private final Activities activities;
  private final ProducerSpans producers;
  private final ConsumerSpans consumers;
  private final AnnouncedCalls calls;
  private final BooleanSupplier wireIsRead;
  private final @Nullable ForeignSpans foreign;

  /**
   * Makes them.
   *
   * @param wireIsRead whether calls are seen on the wire now
   */
  KafkaAdviceRuntime(
      Activities activities,
      ProducerSpans producers,
      ConsumerSpans consumers,
      AnnouncedCalls calls,
      BooleanSupplier wireIsRead,
      @Nullable ForeignSpans foreign) {
    this.activities = activities;
    this.producers = producers;
    this.consumers = consumers;
    this.calls = calls;
    this.wireIsRead = wireIsRead;
    this.foreign = foreign;
  }

  @Override
  public Object sending(String topic, int partition, String clientId, byte[] traceparent) {
    return isLeftToAnother(traceparent)
        ? null
        : producers.start(topic, partition, clientId, traceparent);
  }

  /** Another tracer's agent knows Kafka; an SDK may, and then has a span or a header for it. */
  private boolean isLeftToAnother(byte[] traceparent) {
    if (foreign == null || !foreign.isActive()) {
      return false;
    }
    Activity current = activities.current();
    return foreign.isByAgent()
        || current == null
        || ForeignSpans.isCall(current)
        || traceparent != null;
  }

  @Override
  public String[] headers(Object sending) {
    return ((ProducerSpans.Sending) sending).headers();
  }

  @Override
  public void sent(Object sending, Throwable error) {
    ((ProducerSpans.Sending) sending).sent(error);
  }

  @Override
  public Object acknowledged(
      Object sending, int partition, long offset, Throwable error, Object request) {
    return ((ProducerSpans.Sending) sending)
        .acknowledged(partition, offset, error, (SpanContext) request);
  }

  @Override
  public Object requesting(String clientId, int correlation) {
    return wireIsRead.getAsBoolean() && isProcessingWanted()
        ? calls.announce(clientId, correlation, activities.current())
        : null;
  }

  @Override
  public boolean isProcessingWanted() {
    return foreign == null || !foreign.isActive();
  }

  @Override
  public Object processing(Object record, String group, String clientId, Object request) {
    return isProcessingWanted()
        ? consumers.start(record, group, clientId, (SpanContext) request)
        : null;
  }

  @Override
  public void processed(Object processing) {
    ((ConsumerSpans.Processing) processing).end();
  }
}
