package dev.underspan.bridge.span;

import static io.opentelemetry.semconv.ErrorAttributes.ERROR_TYPE;

import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.clock.EpochClock;
import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.sdk.trace.ReadableSpan;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * A span for each record of Kafka's that is sent: current while the application's thread is in
 * send(), over with the broker's acknowledgement, and named by the record's headers.
 */
public final class ProducerSpans {
  /** Where the parent's id stands in a traceparent header, and how long it is. */
  private static final int ID_AT = 36;

  private static final int ID_LENGTH = 16;

  private final Tracer tracer;
  private final TextMapPropagator propagator;
  private final Activities activities;
  private final EpochClock clock;

  /** Spans go to the tracer; the propagator makes the headers. */
  public ProducerSpans(
      Tracer tracer, TextMapPropagator propagator, Activities activities, EpochClock clock) {
    this.tracer = tracer;
    this.propagator = propagator;
    this.activities = activities;
    this.clock = clock;
  }

  /** A record on its way. */
  public final class Sending extends MessageSpan {
    private final @Nullable Activity sender;
    private final boolean named;

    private Sending(SpanBuilder builder, @Nullable Activity sender, boolean named) {
      super(activities, clock, builder, sender == null ? Context.root() : sender.context());
      this.sender = sender;
      this.named = named;
    }

    /** Names and values, alternating, of the headers that name it; null if others stay. */
    public String @Nullable [] headers() {
      return named ? null : TraceHeaders.of(propagator, activity().context());
    }

    /** The thread that sends it has given it away, or failed. */
    public void sent(@Nullable Throwable error) {
      leave();
      if (error != null) {
        end(-1, -1, error);
      }
    }

    /**
     * It is acknowledged, or will never be; -1 for what is not known.
     *
     * @param request the span of the request that was answered; null if that is not known
     * @return the context in which it was sent, current until it is detached
     */
    public Activities.Scope acknowledged(
        int partition, long offset, @Nullable Throwable error, @Nullable SpanContext request) {
      if (request != null) {
        span().addLink(request);
      }
      end(partition, offset, error);
      return activities.attach(sender);
    }

    private void end(int partition, long offset, @Nullable Throwable error) {
      if (!ends()) {
        return;
      }
      MessagingAttributes.place(span(), partition, offset);
      if (error != null) {
        span().setAttribute(ERROR_TYPE, error.getClass().getName());
        span().setStatus(StatusCode.ERROR);
      }
      finish();
    }
  }

  /**
   * A record is about to be sent by the calling thread.
   *
   * @param partition -1 if it is not known yet
   * @param traceparent the record's header of that name, as it is
   */
  public Sending start(
      String topic, int partition, @Nullable String clientId, byte @Nullable [] traceparent) {
    Activity sender = activities.current();
    SpanBuilder builder = tracer.spanBuilder("send " + topic).setSpanKind(SpanKind.PRODUCER);
    Sending sending =
        new Sending(builder, sender, traceparent != null && !isPassedOn(sender, traceparent));
    if (sending.span().isRecording()) {
      MessagingAttributes.describe(sending.span(), "send", topic, clientId);
      MessagingAttributes.place(sending.span(), partition, -1);
    }
    return sending;
  }

  /**
   * Whether a header is the one by which what is current here learned of its own parent: the record
   * has the headers of one that was received.
   */
  private static boolean isPassedOn(@Nullable Activity current, byte[] traceparent) {
    return current != null
        && traceparent.length >= ID_AT + ID_LENGTH
        && current.span() instanceof ReadableSpan span
        && new String(traceparent, ID_AT, ID_LENGTH, StandardCharsets.US_ASCII)
            .equals(span.getParentSpanContext().getSpanId());
  }
}
