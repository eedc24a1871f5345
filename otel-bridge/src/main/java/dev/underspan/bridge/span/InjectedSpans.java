package dev.underspan.bridge.span;

import dev.underspan.bridge.map.BoundedMap;
import dev.underspan.bridge.wire.TraceHead;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Ids that outgoing requests carry for spans that do not exist yet: the span is made when the
 * request is seen on the wire. Bounded: the eldest gives way, since a request may never leave.
 * Thread-safe.
 */
public final class InjectedSpans {
  private static final int LIMIT = 16_384;

  private final Map<Long, TraceHead> parents = BoundedMap.byAge(LIMIT);

  /** None yet. */
  public InjectedSpans() {}

  /** Notes the parent of a span to come. */
  public synchronized void put(long spanId, TraceHead parent) {
    parents.put(spanId, parent);
  }

  /** The parent of a span that was announced; each only once. */
  public synchronized @Nullable TraceHead take(long spanId) {
    return parents.remove(spanId);
  }
}
