package dev.underspan.bridge.span;

import io.opentelemetry.api.trace.SpanId;
import io.opentelemetry.sdk.trace.IdGenerator;

/**
 * Random ids, except for a client span read from the wire: the request that left already carries
 * its id, so the span must take that one.
 */
public final class WireIdGenerator implements IdGenerator {
  private final IdGenerator random = IdGenerator.random();
  private final ThreadLocal<Long> next = ThreadLocal.withInitial(() -> 0L);

  /** No id is given yet. */
  public WireIdGenerator() {}

  /** The next span that this thread starts takes this id; 0 for a random one. */
  void next(long spanId) {
    next.set(spanId);
  }

  @Override
  public String generateSpanId() {
    long given = next.get();
    if (given == 0) {
      return random.generateSpanId();
    }
    next.remove();
    return SpanId.fromLong(given);
  }

  @Override
  public String generateTraceId() {
    return random.generateTraceId();
  }
}
