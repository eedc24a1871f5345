package dev.underspan.bridge.activity;

import dev.underspan.abi.Layout;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What a process without rights can read of its own thread: time on a processor and time in the run
 * queue, from /proc/thread-self/schedstat (Documentation/scheduler/sched-stats.rst). About ten
 * microseconds a reading.
 */
final class ProcessAccount {
  private static final Path SCHEDSTAT = Path.of("/proc/thread-self/schedstat");

  private ProcessAccount() {}

  /**
   * Reads the calling thread's account.
   *
   * @return the moment of the reading (System.nanoTime()), 0 where it cannot be read or would be a
   *     carrier's
   */
  static long read(ThreadState state, long[] into) {
    if (state.isVirtual()) {
      return 0;
    }
    try {
      String text = Files.readString(SCHEDSTAT);
      int first = text.indexOf(' ');
      int second = text.indexOf(' ', first + 1);
      into[Layout.KIND_CPU] = Long.parseLong(text.substring(0, first));
      into[Layout.KIND_RUN_QUEUE] = Long.parseLong(text.substring(first + 1, second));
      return System.nanoTime();
    } catch (IOException | RuntimeException e) {
      return 0;
    }
  }
}
