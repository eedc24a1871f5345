package dev.underspan.bridge.span;

import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanId;
import io.opentelemetry.sdk.trace.IdGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Random ids, except for a client span read from the wire: the request that left already carries
 * its id, or others are linked to it, so the span must take that one.
 */
public final class WireIdGenerator implements IdGenerator {
  private final IdGenerator random = IdGenerator.random();
  private final ThreadLocal<Given> next = ThreadLocal.withInitial(Given::new);

  /** No id is given yet. */
  public WireIdGenerator() {}

  /** Of the next span that a thread starts. */
  private static final class Given {
    @Nullable String spanId;
    @Nullable String traceId;
  }

  /** The next span that this thread starts takes this id; 0 for a random one. */
  void next(long spanId) {
    Given given = next.get();
    given.spanId = spanId == 0 ? null : SpanId.fromLong(spanId);
    given.traceId = null;
  }

  /** The next span that this thread starts is this one; its trace is the parent's if it has one. */
  void next(SpanContext span) {
    Given given = next.get();
    given.spanId = span.getSpanId();
    given.traceId = span.getTraceId();
  }

  @Override
  public String generateSpanId() {
    Given given = next.get();
    String id = given.spanId;
    given.spanId = null;
    return id == null ? random.generateSpanId() : id;
  }

  @Override
  public String generateTraceId() {
    Given given = next.get();
    String id = given.traceId;
    given.traceId = null;
    return id == null ? random.generateTraceId() : id;
  }
}
