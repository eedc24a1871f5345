package dev.underspan.bridge.wire;

import org.jspecify.annotations.Nullable;

/**
 * How much of a body, or of the current message in it, is still to come: by content-length, or by
 * the length before each message of gRPC (gRPC over HTTP2, "Length-Prefixed-Message").
 */
final class Http2Body {
  private static final int PREFIX = 5;

  private boolean known;
  private boolean grpc;
  private long left;
  private int prefixSeen;
  private long messageLength;

  void messages() {
    known = true;
    grpc = true;
  }

  void length(long bytes) {
    known = bytes >= 0;
    left = bytes;
  }

  void unknown() {
    known = false;
  }

  /** Bytes left; 0 between messages. */
  long left() {
    return known && prefixSeen == 0 ? left : Http2FrameReader.UNKNOWN;
  }

  boolean isComplete() {
    return known && !grpc && left == 0;
  }

  /** Some bytes went by; null if they were not captured. */
  void data(byte @Nullable [] data, int from, long n) {
    long rest = n;
    int at = from;
    while (known && rest > 0) {
      if (left > 0) {
        long take = Math.min(left, rest);
        left -= take;
        rest -= take;
        at += (int) take;
      } else if (grpc && data != null) {
        if (prefixSeen > 0) {
          messageLength = messageLength << 8 | (data[at] & 0xff);
        }
        at++;
        rest--;
        if (++prefixSeen == PREFIX) {
          left = messageLength;
          prefixSeen = 0;
          messageLength = 0;
        }
      } else {
        // Longer than it said, or the length of a message was not captured.
        known = false;
      }
    }
  }
}
