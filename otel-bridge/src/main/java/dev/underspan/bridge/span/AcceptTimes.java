package dev.underspan.bridge.span;

/**
 * When connections were taken out of the accept queue, by port pair; the latest of each place in a
 * fixed table. A place may be overwritten, and readers then simply do not find theirs. Thread-safe.
 */
public final class AcceptTimes {
  private static final int SIZE = 1 << 12;

  private final long[] keys = new long[SIZE];
  private final long[] times = new long[SIZE];

  /** None yet. */
  public AcceptTimes() {}

  private static long key(int localPort, int remotePort) {
    return (long) localPort << 16 | remotePort;
  }

  private static int place(long key) {
    return (int) ((key * 0x9E3779B97F4A7C15L) >>> 52) & (SIZE - 1);
  }

  /** A connection was accepted at a CLOCK_MONOTONIC moment. */
  public synchronized void accepted(long nanoTime, int localPort, int remotePort) {
    long key = key(localPort, remotePort);
    keys[place(key)] = key;
    times[place(key)] = nanoTime;
  }

  /**
   * When the connection was accepted, 0 if not known; only moments after it was established count.
   * Told once: it is the first request's.
   */
  synchronized long take(int localPort, int remotePort, long establishedNs) {
    long key = key(localPort, remotePort);
    int place = place(key);
    if (keys[place] != key) {
      return 0;
    }
    keys[place] = 0;
    return times[place] >= establishedNs ? times[place] : 0;
  }
}
