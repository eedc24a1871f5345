package dev.underspan.runtime;

/**
 * Lines on stderr. Not java.util.logging: touching it before the application does would fix its log
 * manager.
 */
final class Log {
  private Log() {}

  private static volatile boolean verbose;

  /** Whether {@link #debug} prints. */
  static void verbose(boolean on) {
    verbose = on;
  }

  static void debug(String message) {
    if (verbose) {
      info(message);
    }
  }

  static void info(String message) {
    System.err.println("[underspan] " + message);
  }

  static void warn(String message) {
    System.err.println("[underspan] WARNING: " + message);
  }
}
