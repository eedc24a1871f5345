package dev.underspan.bridge.span;

import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.map.BoundedMap;
import dev.underspan.bridge.wire.TraceHead;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.sdk.trace.IdGenerator;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Spans of calls to which others are linked before they exist: a span is made when the call is seen
 * on the wire, where it has a number. Bounded: the eldest gives way, since not every call becomes a
 * span. Thread-safe.
 */
public final class AnnouncedCalls {
  private static final int LIMIT = 16_384;

  /** A client that is made anew counts from zero again; an older call is over by then. */
  private static final long OVER_NS = TimeUnit.SECONDS.toNanos(30);

  private final IdGenerator ids = IdGenerator.random();

  private final Map<Key, Announced> calls = BoundedMap.byAge(LIMIT);

  /** None yet. */
  public AnnouncedCalls() {}

  private record Key(String client, int number) {}

  /**
   * A span to come.
   *
   * @param only false where two clients of one name made calls of the same number
   */
  record Announced(SpanContext context, @Nullable TraceHead parent, long atNs, boolean only) {}

  /**
   * A call is about to be sent.
   *
   * @param client as the client names itself
   * @param number as on the wire
   * @param parent what is current, if anything
   * @return what the call's span will be; null if it could be taken for another one's
   */
  public @Nullable SpanContext announce(String client, int number, @Nullable Activity parent) {
    SpanContext above = parent == null ? null : parent.span().getSpanContext();
    SpanContext context =
        SpanContext.create(
            above == null ? ids.generateTraceId() : above.getTraceId(),
            ids.generateSpanId(),
            above == null ? TraceFlags.getSampled() : above.getTraceFlags(),
            TraceState.getDefault());
    Key key = new Key(client, number);
    long now = System.nanoTime();
    synchronized (this) {
      Announced other = calls.remove(key);
      boolean only = other == null || now - other.atNs() > OVER_NS;
      calls.put(key, new Announced(context, parent == null ? null : parent.head(), now, only));
      return only ? context : null;
    }
  }

  /** The call was seen, each only once; null if it was not announced, or is not the only one. */
  synchronized @Nullable Announced take(String client, int number) {
    Announced announced = calls.remove(new Key(client, number));
    return announced != null && announced.only() ? announced : null;
  }
}
