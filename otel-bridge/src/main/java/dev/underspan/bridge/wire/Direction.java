package dev.underspan.bridge.wire;

/** Which way bytes moved, seen from the observed process. */
public enum Direction {
  /** Written to the socket by our process. */
  SENT,
  /** Read from the socket by our process. */
  RECEIVED
}
