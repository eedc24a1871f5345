package dev.underspan.demo;

/**
 * What a piece of a span's time was spent on, in the order in which a bar shows it. Every kind has
 * a character of its own, so that a bar can be read without colour.
 */
public enum TimeKind {
  /** Part of {@code idle}: the request lay in the kernel before a thread accepted or read it. */
  QUEUE("", '░', 209, 52, "unread in the socket"),
  CPU("cpu", '█', 35, 35, "on a CPU"),
  RUN_QUEUE("run_queue", 'r', 220, 94, "waiting for a CPU"),
  THROTTLED("throttled", 'T', 208, 52, "CPU limit of the cgroup"),
  CARRIER("carrier", 'c', 44, 23, "virtual thread without a carrier"),
  SAFEPOINT("safepoint", 'G', 141, 54, "GC or other stop of the JVM"),
  LOCK("lock", 'L', 167, 52, "contended lock"),
  WAIT("wait", 'w', 175, 89, "waiting for another thread"),
  SLEEP("sleep", 'z', 104, 54, "asleep"),
  DISK("disk", 'd', 179, 94, "disk"),
  NETWORK("network", '~', 75, 24, "network"),
  IDLE("idle", '.', 240, 250, "on no thread"),
  OTHER("other", '?', 248, 236, "other"),
  /** What the kinds leave of the duration, or all of it if the span has no account. */
  UNKNOWN("", '-', 0, 245, "no account");

  private final String suffix;
  private final char glyph;
  private final int background;
  private final int foreground;
  private final String label;

  TimeKind(String suffix, char glyph, int background, int foreground, String label) {
    this.suffix = suffix;
    this.glyph = glyph;
    this.background = background;
    this.foreground = foreground;
    this.label = label;
  }

  /** The attribute with the nanoseconds, or empty for the two derived kinds. */
  public String attribute() {
    return suffix.isEmpty() ? "" : "underspan.time." + suffix;
  }

  /** The character in a bar. */
  public char glyph() {
    return glyph;
  }

  /** What the legend says. */
  public String label() {
    return label;
  }

  /** Select graphic rendition for this kind's cells, 256 colours. */
  String sgr() {
    return background == 0 ? "38;5;" + foreground : "38;5;" + foreground + ";48;5;" + background;
  }
}
