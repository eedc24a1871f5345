package dev.underspan.bridge.wire;

import java.util.Locale;

/** What a head says of the body that follows it (RFC 9112, section 6), for both directions. */
abstract class HttpBodyReader extends HttpMessageReader {
  private static final int UNKNOWN_LENGTH = -1;
  private static final int BAD_LENGTH = -2;
  // CR LF 0 CR LF CR LF, the end of a chunked body; the first CR LF may not have been captured.
  private static final long LAST_CHUNK = 0x300D0A0D0AL;
  private static final long CRLF = 0x0D0AL;

  private final WireCounters counters;
  private long contentLength = UNKNOWN_LENGTH;
  private boolean chunked;
  private boolean otherCoding;

  HttpBodyReader(WireCounters counters) {
    super(counters);
    this.counters = counters;
  }

  /** A message begins. */
  final void clearFraming() {
    contentLength = UNKNOWN_LENGTH;
    chunked = false;
    otherCoding = false;
  }

  @Override
  void header(String name, String value) {
    if (name.equalsIgnoreCase("content-length")) {
      long length = length(value);
      boolean differs = contentLength != UNKNOWN_LENGTH && contentLength != length;
      contentLength = differs ? BAD_LENGTH : length;
    } else if (name.equalsIgnoreCase("transfer-encoding")) {
      chunked = value.toLowerCase(Locale.ROOT).endsWith("chunked");
      otherCoding = !chunked;
    }
  }

  private static long length(String value) {
    if (value.isEmpty() || value.length() > 18) {
      return BAD_LENGTH;
    }
    for (int i = 0; i < value.length(); i++) {
      if (value.charAt(i) < '0' || value.charAt(i) > '9') {
        return BAD_LENGTH;
      }
    }
    return Long.parseLong(value);
  }

  /** The body of a request. */
  final void requestBody() {
    if (chunked) {
      bodyChunked();
    } else if (contentLength >= 0) {
      bodyFixed(contentLength);
    } else {
      if (contentLength == BAD_LENGTH) {
        counters.parseErrors.increment();
      }
      bodyNone();
    }
  }

  /** Whether the connection carries something else after such an answer. */
  static boolean isTunnel(String method, int status) {
    return status == 101 || (method.equals("CONNECT") && status / 100 == 2);
  }

  /** The body of an answer with this status to a request of this method, empty if unknown. */
  final void answerBody(String method, int status) {
    if (isTunnel(method, status)
        || status < 200
        || status == 204
        || status == 304
        || method.equals("HEAD")) {
      bodyNone();
    } else if (chunked) {
      bodyChunked();
    } else if (otherCoding || contentLength == UNKNOWN_LENGTH) {
      bodyUntilClose();
    } else if (contentLength == BAD_LENGTH) {
      counters.parseErrors.increment();
      bodyUntilClose();
    } else {
      bodyFixed(contentLength);
    }
  }

  /** {@link #recover} of an answer. */
  final boolean recoverAnswer(String method, long window, LostIn in) {
    if (in == LostIn.HEAD) {
      boolean headEnds = (window & 0xFFFFFFFFL) == 0x0D0A0D0AL;
      if (headEnds && (method.equals("HEAD") || contentLength == 0)) {
        return true;
      }
      if (!chunked && contentLength != UNKNOWN_LENGTH) {
        return false;
      }
    }
    return lastChunk(window);
  }

  static boolean lastChunk(long window) {
    long before = window >>> 40 & 0xFFFF;
    return (window & 0xFFFFFFFFFFL) == LAST_CHUNK && (before == CRLF || before == 0);
  }
}
