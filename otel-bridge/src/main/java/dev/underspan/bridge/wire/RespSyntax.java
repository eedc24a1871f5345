package dev.underspan.bridge.wire;

import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** Small pieces of Redis' protocol RESP, versions 2 and 3. */
final class RespSyntax {
  /** Returned by {@link #number} for what is none. */
  static final long NOT_A_NUMBER = Long.MIN_VALUE;

  /** The longest name of a command that is believed. */
  static final int MAX_NAME = 32;

  private static final int MAX_ERROR = 32;

  private RespSyntax() {}

  /** Do the bytes begin with a command: an array of bulk strings, the first of which is a name? */
  static Match command(byte[] data, int length) {
    int arguments = header(data, 0, length, '*', 7);
    if (arguments <= 0) {
      return arguments == 0 ? Match.MAYBE : Match.NO;
    }
    int name = header(data, arguments, length, '$', 2);
    if (name <= 0) {
      return name == 0 ? Match.MAYBE : Match.NO;
    }
    long size = number(data, arguments + 1, name - 2);
    if (size < 1 || size > MAX_NAME) {
      return Match.NO;
    }
    if (name == length) {
      return Match.MAYBE;
    }
    int end = (int) Math.min(length, name + size);
    return isName(data, name, end) ? Match.YES : Match.NO;
  }

  /** Where the line of a type and a positive number ends; 0 = it may go on, -1 = it is none. */
  private static int header(byte[] data, int from, int length, int type, int maxDigits) {
    if (from == length) {
      return 0;
    }
    if (data[from] != type) {
      return -1;
    }
    int i = from + 1;
    while (i < length && i <= from + maxDigits && digit(data[i])) {
      i++;
    }
    if (i == length) {
      return 0;
    }
    if (i == from + 1 || data[from + 1] == '0' || data[i] != '\r') {
      return -1;
    }
    if (i + 1 == length) {
      return 0;
    }
    return data[i + 1] == '\n' ? i + 2 : -1;
  }

  private static boolean digit(byte b) {
    return b >= '0' && b <= '9';
  }

  private static boolean letter(byte b) {
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');
  }

  private static boolean isName(byte[] data, int from, int to) {
    for (int i = from; i < to; i++) {
      byte b = data[i];
      boolean inner = digit(b) || b == '.' || b == '_' || b == '-';
      if (!letter(b) && (i == from || !inner)) {
        return false;
      }
    }
    return from < to;
  }

  /** A command's name in upper case; empty if the bytes are none. */
  static String name(byte[] data, int length) {
    return isName(data, 0, length) ? upper(data, length) : "";
  }

  static String upper(byte[] data, int length) {
    return new String(data, 0, length, StandardCharsets.ISO_8859_1).toUpperCase(Locale.ROOT);
  }

  /** The first word of an error, by convention its kind; empty if it does not look like one. */
  static String errorKind(byte[] data, int length) {
    int end = 0;
    while (end < length && data[end] != ' ' && data[end] != '\n') {
      byte b = data[end];
      if (end == MAX_ERROR || !((b >= 'A' && b <= 'Z') || digit(b) || b == '_')) {
        // A script's own words, which may hold anything.
        return "";
      }
      end++;
    }
    return new String(data, 0, end, StandardCharsets.ISO_8859_1);
  }

  /** The decimal number that the bytes are, or {@link #NOT_A_NUMBER}. */
  static long number(byte[] data, int from, int to) {
    boolean negative = from < to && data[from] == '-';
    int i = negative ? from + 1 : from;
    if (i >= to || to - i > 15) {
      return NOT_A_NUMBER;
    }
    long value = 0;
    for (; i < to; i++) {
      if (!digit(data[i])) {
        return NOT_A_NUMBER;
      }
      value = value * 10 + (data[i] - '0');
    }
    return negative ? -value : value;
  }

  /** Is what begins with this byte one string with its length in front? */
  static boolean isBlob(int type) {
    return type == '$' || type == '!' || type == '=';
  }

  /** Does this byte announce elements? */
  static boolean isAggregate(int type) {
    return type == '*' || type == '%' || type == '~' || type == '>' || type == '|';
  }

  /** Is what begins with this byte over at the end of its line? */
  static boolean isLine(int type) {
    return switch (type) {
      case '+', '-', ':', '_', '#', ',', '(' -> true;
      default -> false;
    };
  }

  /** Does only version 3 know this byte? */
  static boolean isVersion3(int type) {
    return switch (type) {
      case '_', '#', ',', '(', '!', '=', '%', '~', '>', '|' -> true;
      default -> false;
    };
  }
}
