package dev.underspan.bridge.span;

import java.util.concurrent.atomic.AtomicLongArray;

/** Local ports. A port stays. Thread-safe. */
final class PortSet {
  private final AtomicLongArray words = new AtomicLongArray(65_536 / Long.SIZE);

  /** None. */
  PortSet() {}

  private static boolean isPort(int port) {
    return port > 0 && port < 65_536;
  }

  /** From now on the port is one; 0 is none. */
  void add(int port) {
    if (isPort(port) && !contains(port)) {
      words.getAndUpdate(port / Long.SIZE, word -> word | 1L << port);
    }
  }

  /** Whether it is. */
  boolean contains(int port) {
    return isPort(port) && (words.getPlain(port / Long.SIZE) & 1L << port) != 0;
  }
}
