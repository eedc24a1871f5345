package dev.underspan.bridge.clock;

import java.time.Instant;

/**
 * Epoch time of moments given as CLOCK_MONOTONIC nanoseconds (System.nanoTime(),
 * bpf_ktime_get_ns()).
 *
 * <p>An anchor ties the two clocks together and is renewed after ten seconds, so that a stepped or
 * slewed wall clock is followed. Precision is that of the wall clock's reading, about a
 * microsecond. Thread-safe.
 */
public final class EpochClock {
  private static final long RENEW_NS = 10_000_000_000L;

  private volatile Anchor anchor = Anchor.take();

  /**
   * Where the two clocks met. All times of one span are told by one anchor, so that its duration is
   * exact even when the wall clock is stepped meanwhile.
   *
   * @param monotonic CLOCK_MONOTONIC nanoseconds
   * @param epoch nanoseconds since 1970 at that moment
   */
  public record Anchor(long monotonic, long epoch) {
    /** Epoch nanoseconds of a monotonic moment. */
    public long epochNanos(long monotonicNanos) {
      return epoch + (monotonicNanos - monotonic);
    }

    /** The best of a few readings, so that a preempted one does not skew ten seconds. */
    static Anchor take() {
      Anchor best = new Anchor(0, 0);
      long bestWidth = Long.MAX_VALUE;
      for (int i = 0; i < 3; i++) {
        long before = System.nanoTime();
        Instant now = Instant.now();
        long after = System.nanoTime();
        if (after - before < bestWidth) {
          bestWidth = after - before;
          best =
              new Anchor(
                  before + (after - before) / 2,
                  now.getEpochSecond() * 1_000_000_000L + now.getNano());
        }
      }
      return best;
    }
  }

  /** A clock anchored now. */
  public EpochClock() {}

  /** The latest anchor, at most ten seconds old. */
  public Anchor anchor() {
    Anchor current = anchor;
    if (System.nanoTime() - current.monotonic > RENEW_NS) {
      current = Anchor.take();
      anchor = current;
    }
    return current;
  }
}
