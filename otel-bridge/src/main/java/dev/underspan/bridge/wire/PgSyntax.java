package dev.underspan.bridge.wire;

import java.nio.charset.StandardCharsets;

/** Small pieces of the PostgreSQL frontend/backend protocol, version 3. */
final class PgSyntax {
  static final int SSL_REQUEST = 80877103;
  static final int GSS_REQUEST = 80877104;
  static final int CANCEL_REQUEST = 80877102;
  static final int MAX_STARTUP = 10000;

  // Four letters read as a length are more than this.
  private static final long PLAUSIBLE_LENGTH = 1L << 28;

  private PgSyntax() {}

  static int int32(byte[] data, int at) {
    return (data[at] & 0xff) << 24
        | (data[at + 1] & 0xff) << 16
        | (data[at + 2] & 0xff) << 8
        | (data[at + 3] & 0xff);
  }

  /** Do the bytes begin with one of the messages that open a connection? */
  static Match startup(byte[] data, int length) {
    if ((length >= 1 && data[0] != 0) || (length >= 2 && data[1] != 0)) {
      return Match.NO;
    }
    if (length < 8) {
      return Match.MAYBE;
    }
    int size = int32(data, 0);
    int code = int32(data, 4);
    boolean request = size == 8 && (code == SSL_REQUEST || code == GSS_REQUEST);
    boolean cancel = code == CANCEL_REQUEST && size >= 16;
    boolean startup = code >>> 16 == 3 && (code & 0xffff) < 100 && size >= 9 && size <= MAX_STARTUP;
    return request || cancel || startup ? Match.YES : Match.NO;
  }

  /** Are the bytes a run of whole frontend messages, as far as they were captured? */
  static Match frontend(byte[] data, int length, boolean whole) {
    int at = 0;
    while (at < length) {
      int left = length - at;
      if (left >= 5) {
        long size = int32(data, at + 1);
        if (size > PLAUSIBLE_LENGTH || !frontendHeader(data[at], size - 4)) {
          return Match.NO;
        }
        if (left > 5 && !plausibleBody(data, at, (int) Math.min(left, size + 1), size + 1)) {
          return Match.NO;
        }
        if (size + 1 >= left) {
          return Match.YES;
        }
        at += (int) size + 1;
      } else if (at > 0) {
        return frontendType(data[at]) ? Match.YES : Match.NO;
      } else {
        boolean small = left < 2 || data[1] == 0;
        return whole && small && frontendType(data[0]) ? Match.MAYBE : Match.NO;
      }
    }
    return length == 0 ? Match.MAYBE : Match.YES;
  }

  private static boolean plausibleBody(byte[] data, int at, int seen, long size) {
    byte first = data[at + 5];
    return switch (data[at]) {
      case 'Q' ->
          (first >= ' ' || first <= 0 || first == '\n' || first == '\t' || first == '\r')
              && (seen < size || data[at + seen - 1] == 0);
      case 'D', 'C' -> first == 'S' || first == 'P';
      default -> true;
    };
  }

  static boolean frontendType(int type) {
    return switch (type) {
      case 'Q', 'P', 'B', 'E', 'S', 'C', 'D', 'X', 'p', 'H', 'F', 'd', 'c', 'f' -> true;
      default -> false;
    };
  }

  static boolean frontendHeader(int type, long body) {
    return switch (type) {
      case 'Q' -> body >= 1;
      case 'P' -> body >= 4;
      case 'B' -> body >= 8;
      case 'E' -> body >= 5 && body < 10000;
      case 'C', 'D' -> body >= 2 && body < 10000;
      case 'S', 'X', 'H', 'c' -> body == 0;
      case 'p' -> body >= 0 && body < 100000;
      case 'F' -> body >= 10;
      case 'd' -> body >= 0;
      case 'f' -> body >= 1;
      default -> false;
    };
  }

  static boolean backendHeader(int type, long body) {
    return switch (type) {
      case 'Z' -> body == 1;
      case '1', '2', '3', 'I', 'n', 's', 'c' -> body == 0;
      case 'R' -> body >= 4 && body < 100000;
      case 'K' -> body >= 8 && body < 1000;
      case 'C', 'S', 'A', 'E', 'N', 'T', 't', 'D', 'G', 'H', 'W', 'V', 'v', 'd' ->
          body >= 1 || type == 'd';
      default -> false;
    };
  }

  /** Where the zero that ends a string is, or {@code end}. */
  static int zero(byte[] data, int from, int end) {
    int i = from;
    while (i < end && data[i] != 0) {
      i++;
    }
    return i;
  }

  static String text(byte[] data, int from, int to) {
    return from >= to ? "" : new String(data, from, to - from, StandardCharsets.UTF_8);
  }
}
