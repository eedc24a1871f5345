package dev.underspan.bridge.wire;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Small pieces of HTTP/1.x and W3C Trace Context syntax. */
final class HttpSyntax {
  private static final List<String> METHODS =
      List.of("GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "PATCH ", "OPTIONS ", "TRACE ");
  private static final String CONNECT = "CONNECT ";
  private static final int MAX_METHOD = 32;

  private HttpSyntax() {}

  /** Whether bytes begin with a whole request line, or all there is of one fits a known method. */
  static boolean requestLine(byte[] data, int length) {
    return detect(data, length) == Match.YES;
  }

  static Match detect(byte[] data, int length) {
    if (length == 0) {
      return Match.MAYBE;
    }
    int newline = 0;
    while (newline < length && data[newline] != '\n') {
      newline++;
    }
    if (newline < length) {
      String line = new String(data, 0, newline, StandardCharsets.ISO_8859_1).stripTrailing();
      int space = line.indexOf(' ');
      int last = line.lastIndexOf(' ');
      return couldBeRequest(data, newline)
              && space > 0
              && last > space + 1
              && line.startsWith("HTTP/1.", last + 1)
          ? Match.YES
          : Match.NO;
    }
    for (String method : METHODS) {
      Match match = method(data, length, method);
      if (match != Match.NO) {
        return match;
      }
    }
    return method(data, length, CONNECT);
  }

  private static Match method(byte[] data, int length, String method) {
    for (int i = 0; i < method.length(); i++) {
      if (i == length) {
        return Match.MAYBE;
      }
      if (data[i] != method.charAt(i)) {
        return Match.NO;
      }
    }
    if (length == method.length()) {
      return Match.MAYBE;
    }
    byte b = data[method.length()];
    boolean target = method.equals(CONNECT) ? b > ' ' : b == '/' || b == '*' || (b | 0x20) == 'h';
    return target ? Match.YES : Match.NO;
  }

  static boolean couldBeRequest(byte[] line, int length) {
    int i = 0;
    while (i < length && line[i] != ' ') {
      byte b = line[i];
      boolean token = (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') || b == '-' || b == '_';
      if (!token || i >= MAX_METHOD) {
        return false;
      }
      i++;
    }
    return i > 0 || length == 0;
  }

  static boolean couldBeStatus(byte[] line, int length) {
    String version = "HTTP/1.";
    for (int i = 0; i < length && i < version.length(); i++) {
      if (line[i] != version.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  /** The status code of a status line, -1 if it is none. */
  static int status(String line) {
    if (line.length() < 12 || !line.startsWith("HTTP/1.") || line.charAt(8) != ' ') {
      return -1;
    }
    int status = 0;
    for (int i = 9; i < 12; i++) {
      int digit = line.charAt(i) - '0';
      if (digit < 0 || digit > 9) {
        return -1;
      }
      status = status * 10 + digit;
    }
    return status < 100 || (line.length() > 12 && line.charAt(12) != ' ') ? -1 : status;
  }

  /** Parses a traceparent header value (W3C Trace Context, 3.2); null if it is not valid. */
  static @Nullable TraceHead traceparent(String value) {
    if (value.length() < 55
        || value.charAt(2) != '-'
        || value.charAt(35) != '-'
        || value.charAt(52) != '-'
        || (value.length() > 55 && (value.startsWith("00") || value.charAt(55) != '-'))
        || !hex(value, 0, 2)
        || value.startsWith("ff")
        || !hex(value, 3, 35)
        || !hex(value, 36, 52)
        || !hex(value, 53, 55)) {
      return null;
    }
    long high = Long.parseUnsignedLong(value, 3, 19, 16);
    long low = Long.parseUnsignedLong(value, 19, 35, 16);
    long span = Long.parseUnsignedLong(value, 36, 52, 16);
    if ((high | low) == 0 || span == 0) {
      return null;
    }
    return new TraceHead(high, low, span, Integer.parseInt(value, 53, 55, 16));
  }

  private static boolean hex(String value, int from, int to) {
    for (int i = from; i < to; i++) {
      char c = value.charAt(i);
      if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) {
        return false;
      }
    }
    return true;
  }
}
