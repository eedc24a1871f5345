package dev.underspan.instrument.testapp;

import java.util.List;
import java.util.Queue;
import java.util.concurrent.atomic.AtomicLongArray;

/** What the recording runtime saw; empty under the throwing one. */
final class Probe {
  private Probe() {}

  static boolean recording() {
    return System.getProperties().containsKey("test.context");
  }

  @SuppressWarnings("unchecked")
  static void context(String value) {
    if (recording()) {
      ((ThreadLocal<Object>) System.getProperties().get("test.context")).set(value);
    }
  }

  static String context() {
    return recording()
        ? String.valueOf(((ThreadLocal<?>) System.getProperties().get("test.context")).get())
        : "none";
  }

  @SuppressWarnings("unchecked")
  static List<String> events() {
    return recording()
        ? List.copyOf((Queue<String>) System.getProperties().get("test.events"))
        : List.of();
  }

  static AtomicLongArray counts() {
    return (AtomicLongArray) System.getProperties().get("test.counts");
  }

  static void check(String what, Object expected, Object actual) {
    if (!expected.equals(actual)) {
      new AssertionError(
              what + ": expected " + expected + " but was " + actual + "; events " + events())
          .printStackTrace();
      System.exit(1);
    }
  }

  /** Checks only where something is recorded. */
  static void recorded(String what, Object expected, Object actual) {
    if (recording()) {
      check(what, expected, actual);
    }
  }

  static void event(String expected, int times) throws InterruptedException {
    if (!recording()) {
      return;
    }
    long count = 0;
    for (int i = 0; i < 100; i++) {
      count = events().stream().filter(e -> e.matches(expected)).count();
      if (count >= times) {
        break;
      }
      Thread.sleep(20);
    }
    check(expected, (long) times, count);
  }
}
