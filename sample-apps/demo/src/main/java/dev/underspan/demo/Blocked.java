package dev.underspan.demo;

import org.jspecify.annotations.Nullable;

/** Reads the event {@code underspan.blocked}. */
final class Blocked {
  private Blocked() {}

  /** For example {@code blocked 480 ms (lock) at Pricing.price:42}. */
  static String describe(Span.Event event) {
    long nanos =
        event.attributes().get("underspan.blocked.duration") instanceof Number number
            ? number.longValue()
            : 0;
    String kind = event.text("underspan.blocked.kind");
    String frame = frame(event);
    return "blocked"
        + (nanos > 0 ? " " + Units.time(nanos) : "")
        + (kind == null ? "" : " (" + Text.clean(kind) + ")")
        + (frame == null ? "" : " at " + frame);
  }

  /** The topmost frame outside the JDK as {@code Class.method:line}, or null. */
  static @Nullable String frame(Span.Event event) {
    String stack = event.text("code.stacktrace");
    if (stack == null) {
      return null;
    }
    for (String line : (Iterable<String>) stack.lines()::iterator) {
      String frame = line.strip();
      if (frame.startsWith("at ")) {
        frame = frame.substring(3);
      }
      // A module or loader may stand before the class: java.base/java.lang.Thread.
      frame = frame.substring(frame.lastIndexOf('/', Math.max(0, frame.indexOf('('))) + 1);
      int open = frame.indexOf('(');
      boolean jdk = frame.matches("(java|javax|jdk|sun|com\\.sun)\\..*");
      if (open <= 0 || jdk) {
        continue;
      }
      String method = frame.substring(0, open);
      int dot = method.lastIndexOf('.');
      int before = dot < 0 ? -1 : method.lastIndexOf('.', dot - 1);
      String file = frame.substring(open + 1).replace(")", "");
      int colon = file.lastIndexOf(':');
      return Text.clean(method.substring(before + 1) + (colon < 0 ? "" : file.substring(colon)));
    }
    return null;
  }
}
