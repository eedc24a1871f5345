package dev.underspan.bridge.activity;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;

/** A span's time by kind, and its writing as attributes. Not thread-safe. */
public final class Budget {
  private static final AttributeKey<Long> IDLE = time("idle");
  private static final AttributeKey<?>[] KEYS = new AttributeKey<?>[Ledger.KINDS];

  static {
    KEYS[Layout.KIND_CPU] = time("cpu");
    KEYS[Layout.KIND_RUN_QUEUE] = time("run_queue");
    KEYS[Layout.KIND_THROTTLED] = time("throttled");
    KEYS[Layout.KIND_LOCK] = time("lock");
    KEYS[Layout.KIND_WAIT] = time("wait");
    KEYS[Layout.KIND_SLEEP] = time("sleep");
    KEYS[Layout.KIND_NETWORK] = time("network");
    KEYS[Layout.KIND_DISK] = time("disk");
    KEYS[Layout.KIND_SAFEPOINT] = time("safepoint");
    KEYS[Layout.KIND_OTHER] = time("other");
    KEYS[Layout.KIND_CARRIER] = time("carrier");
  }

  private static final AttributeKey<Long> THREADS = AttributeKey.longKey("underspan.time.threads");

  /** Nanoseconds by kind. */
  public final long[] ns = new long[Ledger.KINDS];

  /** Time on no thread, nanoseconds. */
  public long idle;

  /** On how many threads at once, at most. */
  public int threads;

  /** No time yet. */
  public Budget() {}

  private static AttributeKey<Long> time(String kind) {
    return AttributeKey.longKey("underspan.time." + kind);
  }

  /** The last part of the attribute's name. */
  static String name(int kind) {
    String key = String.valueOf(KEYS[kind]);
    return key.substring(key.lastIndexOf('.') + 1);
  }

  /**
   * Adds the difference of two readings of one account. A kind may have become less: the interval
   * open at the first reading was booked to another in the end. What that one has too much is taken
   * back, so that the sum stays the time between the readings.
   */
  public void add(long[] begin, long[] end) {
    long excess = 0;
    for (int kind = 0; kind < Ledger.KINDS; kind++) {
      long spent = end[kind] - begin[kind];
      if (spent >= 0) {
        ns[kind] += spent;
      } else {
        excess -= spent;
      }
    }
    for (int kind = 0; kind < Ledger.KINDS && excess > 0; kind++) {
      excess = take(kind, excess);
    }
  }

  /** Takes away as much of a kind as there is; what is left to take. */
  public long take(int kind, long excess) {
    long taken = Math.min(ns[kind], excess);
    ns[kind] -= taken;
    return excess - taken;
  }

  public long sum() {
    long sum = idle;
    for (long value : ns) {
      sum += value;
    }
    return sum;
  }

  /** Sets what is not zero. */
  @SuppressWarnings("unchecked") // all keys are long
  public void writeTo(Span span) {
    for (int kind = 0; kind < Ledger.KINDS; kind++) {
      if (ns[kind] > 0 && KEYS[kind] != null) {
        span.setAttribute((AttributeKey<Long>) KEYS[kind], ns[kind]);
      }
    }
    if (idle > 0) {
      span.setAttribute(IDLE, idle);
    }
    if (threads > 1) {
      span.setAttribute(THREADS, (long) threads);
    }
  }
}
