package dev.underspan.host;

import java.nio.ByteBuffer;

/** What to wait for, by ppoll(2); nothing is allocated by a wait. One thread at a time. */
final class PollSet {
  /** There is something to read; for a pidfd, the process has ended. */
  static final short POLLIN = 1;

  /** The other side has gone. */
  static final short POLLRDHUP = 0x2000;

  private static final int ENTRY = 8; // struct pollfd: int fd, short events, short revents

  /** The entries, and behind them a struct timespec, which the kernel writes to. */
  private final ByteBuffer memory;

  private final int time;
  private int count;

  /**
   * An empty one.
   *
   * @param capacity how many descriptors it can have
   */
  PollSet(int capacity) {
    time = ENTRY * capacity;
    memory = Native.allocate(time + 16);
  }

  void clear() {
    count = 0;
  }

  /** Its place is the number of those before it. */
  PollSet add(int fd, short events) {
    memory.putInt(ENTRY * count, fd).putInt(ENTRY * count + 4, events);
    count++;
    return this;
  }

  /**
   * Waits until something is there.
   *
   * @param millis for how long; negative: without end
   * @return how many have something; 0 or -errno if none, as after a signal
   */
  int await(long millis) {
    memory.putLong(time, millis / 1000).putLong(time + 8, millis % 1000 * 1_000_000);
    return Native.poll(memory, count, millis < 0 ? -1 : time);
  }

  boolean isReady(int place) {
    return memory.getShort(ENTRY * place + 6) != 0;
  }
}
