package dev.underspan.demo;

import java.util.EnumMap;
import java.util.Map;

/**
 * A span's time by kind, nanoseconds. {@link TimeKind#QUEUE} is carved out of {@code idle}; {@link
 * TimeKind#UNKNOWN} is what the kinds leave of the duration.
 */
public final class TimeAccount {
  private final EnumMap<TimeKind, Long> nanos = new EnumMap<>(TimeKind.class);
  private final boolean present;
  private final long sum;
  private final long queue;
  private final long queueBefore;
  private final long duration;

  private TimeAccount(Span span) {
    duration = span.durationNanos();
    long total = 0;
    for (TimeKind kind : TimeKind.values()) {
      long value = kind.attribute().isEmpty() ? 0 : Math.max(0, span.number(kind.attribute()));
      if (value > 0) {
        nanos.put(kind, value);
        total += value;
      }
    }
    sum = total;
    present = total > 0;
    queue =
        Math.max(0, span.number("underspan.queue.receive"))
            + Math.max(0, span.number("underspan.queue.accept"));
    // A span that began only when the request was read has its wait before its start.
    long inside = Math.min(queue, get(TimeKind.IDLE));
    queueBefore = queue - inside;
    if (inside > 0) {
      nanos.put(TimeKind.QUEUE, inside);
      nanos.put(TimeKind.IDLE, get(TimeKind.IDLE) - inside);
    }
    if (duration > sum) {
      nanos.put(TimeKind.UNKNOWN, duration - sum);
    }
  }

  /** Reads the account from a span's attributes. */
  public static TimeAccount of(Span span) {
    return new TimeAccount(span);
  }

  /** Nanoseconds of a kind, 0 if none. */
  public long get(TimeKind kind) {
    return nanos.getOrDefault(kind, 0L);
  }

  /** A copy that the caller may change. */
  EnumMap<TimeKind, Long> copy() {
    return new EnumMap<>(nanos);
  }

  /** Nanoseconds by kind; kinds without time may be missing. */
  public Map<TimeKind, Long> nanos() {
    return Map.copyOf(nanos);
  }

  /** Whether the span carries any {@code underspan.time.*}. */
  public boolean present() {
    return present;
  }

  /** The kinds' sum in nanoseconds, as sent. */
  public long sum() {
    return sum;
  }

  /** Nanoseconds in the kernel's queues before a thread took the request. */
  public long queue() {
    return queue;
  }

  /** The part of {@link #queue()} that the span's own time does not hold: it lies before it. */
  public long queueBefore() {
    return queueBefore;
  }

  /** Whether the kinds add up to the duration within 1 %. */
  public boolean addsUp() {
    return Math.abs(sum - duration) <= duration / 100.0;
  }
}
