package dev.underspan.demo;

import java.util.Locale;

/** Numbers for people: {@code 1.2 ms}, {@code 301 ms}, {@code 1.2 kB}. */
final class Units {
  private Units() {}

  /** A duration given in nanoseconds. */
  static String time(long nanos) {
    if (nanos < 0) {
      return "-" + time(nanos == Long.MIN_VALUE ? Long.MAX_VALUE : -nanos);
    }
    // The limits are where rounding would carry into the next unit.
    if (nanos < 1_000) {
      return nanos + " ns";
    }
    if (nanos < 999_500) {
      return number(nanos / 1e3) + " µs";
    }
    if (nanos < 999_500_000) {
      return number(nanos / 1e6) + " ms";
    }
    double seconds = nanos / 1e9;
    return (seconds < 10
            ? trim(String.format(Locale.ROOT, "%.2f", seconds))
            : trim(String.format(Locale.ROOT, "%.1f", seconds)))
        + " s";
  }

  /** A size in bytes, decimal units. */
  static String bytes(long bytes) {
    if (bytes < 1_000) {
      return bytes + " B";
    }
    if (bytes < 999_500) {
      return number(bytes / 1e3) + " kB";
    }
    return number(bytes / 1e6) + " MB";
  }

  /** A share as whole percents. */
  static String percent(long part, long whole) {
    return whole <= 0 ? "0 %" : Math.round(100.0 * part / whole) + " %";
  }

  private static String number(double value) {
    return value < 9.95
        ? trim(String.format(Locale.ROOT, "%.1f", value))
        : Long.toString(Math.round(value));
  }

  private static String trim(String number) {
    String trimmed = number;
    while (trimmed.contains(".") && (trimmed.endsWith("0") || trimmed.endsWith("."))) {
      trimmed = trimmed.substring(0, trimmed.length() - 1);
    }
    return trimmed;
  }
}
