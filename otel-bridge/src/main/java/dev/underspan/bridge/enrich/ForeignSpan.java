package dev.underspan.bridge.enrich;

import dev.underspan.bridge.map.WeakIdentityMap;
import dev.underspan.bridge.span.NetFacts;
import dev.underspan.bridge.span.RequestInfo;
import dev.underspan.bridge.span.ServerSpans;
import dev.underspan.bridge.wire.TraceHead;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.StatusCode;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Another tracer's span in the shape of our own copy of the API. What we write goes to it; its
 * name, status and end are none of our business.
 */
final class ForeignSpan implements Span {
  /** As OpenTelemetry orders span kinds. */
  static final int SERVER = 1;

  static final int CLIENT = 2;
  static final int PRODUCER = 3;

  /** Of spans whose beginning was not seen. */
  static final int UNKNOWN = -1;

  final WeakIdentityMap.Key span;
  private final SpanApi api;
  private final SpanContext ids;
  final int kind;

  /** When it began by its own clock, epoch nanoseconds. */
  final long startEpochNanos;

  /** Of a server span: how its request came; null where it is not known. */
  volatile ServerSpans.@Nullable Arrival arrival;

  /** Of a server span: its request, as its handler sees it. */
  volatile @Nullable RequestInfo request;

  /** Its ids, of a span that stands for a call. */
  volatile @Nullable TraceHead head;

  /** When it was seen to begin, System.nanoTime(). */
  volatile long beginNs;

  /** When it was seen to end; 0: not yet. */
  volatile long endNs;

  /** Whether a call was found to be this one's by time and port. */
  volatile boolean claimed;

  private int port;

  /** What the kernel saw of the calls that it stands for; null where it stands for none. */
  final @Nullable NetFacts calls;

  ForeignSpan(
      WeakIdentityMap.Key span, SpanApi api, SpanContext ids, int kind, long startEpochNanos) {
    this.span = span;
    this.api = api;
    this.ids = ids;
    this.kind = kind;
    this.startEpochNanos = startEpochNanos;
    this.calls = kind == CLIENT || kind == PRODUCER ? new NetFacts() : null;
  }

  /**
   * Its request's handler is entered. What the thread had read last, if that was all that was known
   * when the span began, may be another's: somebody else has read this one.
   */
  void handle(RequestInfo entered, ServerSpans.@Nullable Arrival itsArrival) {
    request = entered;
    ServerSpans.Arrival taken = arrival;
    if (taken == null || !taken.isOf(entered)) {
      arrival = itsArrival;
    }
  }

  boolean is(Object other) {
    return span.refersTo(other);
  }

  /** The port that it says it calls, 0 if it has not said so yet. */
  int port() {
    int known = port;
    if (known == 0) {
      known = (int) number("network.peer.port");
      known = known == 0 ? (int) number("server.port") : known;
      port = known;
    }
    return known;
  }

  /** An attribute as the span has it now. */
  long number(String key) {
    Object target = span.get();
    return target == null ? 0 : api.number(target, key);
  }

  /** The same of one that is a text; null if there is none. */
  @Nullable String text(String key) {
    Object target = span.get();
    return target == null ? null : api.text(target, key);
  }

  @Override
  @SuppressWarnings("unchecked") // a key of another type has another kind of value
  public <T> Span setAttribute(AttributeKey<T> key, @Nullable T value) {
    Object target = span.get();
    if (target != null && value != null) {
      if (value instanceof Long number) {
        api.set(target, key.getKey(), number);
      } else if (value instanceof Boolean flag) {
        api.set(target, key.getKey(), flag);
      } else {
        api.set(target, key.getKey(), value.toString());
      }
    }
    return this;
  }

  @Override
  public Span addEvent(String name, Attributes attributes, long timestamp, TimeUnit unit) {
    Object target = span.get();
    if (target != null) {
      api.addEvent(target, name, attributes, unit.toNanos(timestamp));
    }
    return this;
  }

  @Override
  public Span addEvent(String name, Attributes attributes) {
    return addEvent(name, attributes, System.currentTimeMillis(), TimeUnit.MILLISECONDS);
  }

  @Override
  public boolean isRecording() {
    Object target = span.get();
    return target != null && api.isRecording(target);
  }

  @Override
  public SpanContext getSpanContext() {
    return ids;
  }

  @Override
  public Span setStatus(StatusCode statusCode, String description) {
    return this;
  }

  @Override
  public Span recordException(Throwable exception, Attributes additionalAttributes) {
    return this;
  }

  @Override
  public Span updateName(String name) {
    return this;
  }

  @Override
  public void end() {}

  @Override
  public void end(long timestamp, TimeUnit unit) {}
}
