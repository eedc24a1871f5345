package dev.underspan.testapp;

/** Sleeps in its initialiser, which a virtual thread cannot leave its carrier for. */
final class PinnedWork {
  static final long SLEPT = sleep();

  private PinnedWork() {}

  private static long sleep() {
    long start = System.nanoTime();
    try {
      Thread.sleep(80);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return System.nanoTime() - start;
  }
}
