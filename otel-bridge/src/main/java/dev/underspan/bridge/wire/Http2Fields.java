package dev.underspan.bridge.wire;

import org.jspecify.annotations.Nullable;

/** What is wanted of one header block; nothing else of it is kept. */
final class Http2Fields {
  private static final int MAX_TARGET = 2 * 1024;
  private static final int MAX_VALUE = 256;

  @Nullable String method;
  @Nullable String scheme;
  @Nullable String authority;
  @Nullable String path;
  boolean pathCut;
  @Nullable String host;
  boolean grpc;
  int status;
  int grpcStatus = -1;
  long contentLength = Http2FrameReader.UNKNOWN;
  @Nullable TraceHead injected;

  /** Whether some of the block could not be read: any of the above may be missing for that. */
  boolean unknown;

  void add(String name, String value) {
    switch (name) {
      case "" -> unknown = true;
      case ":method" -> method = bounded(value, MAX_VALUE);
      case ":scheme" -> scheme = bounded(value, MAX_VALUE);
      case ":authority" -> authority = bounded(value, MAX_VALUE);
      case ":path" -> {
        path = bounded(value, MAX_TARGET);
        pathCut = value.length() > MAX_TARGET;
      }
      case ":status" -> status = (int) number(value, 3);
      case "host" -> host = bounded(value, MAX_VALUE);
      case "content-type" -> grpc |= value.startsWith("application/grpc");
      case "content-length" -> contentLength = number(value, 18);
      case "grpc-status" -> {
        grpc = true;
        grpcStatus = (int) number(value, 9);
      }
      // Known even where the content type is not.
      case "grpc-timeout", "grpc-encoding", "grpc-accept-encoding" -> grpc = true;
      case "traceparent" -> injected = HttpSyntax.traceparent(value);
      default -> {}
    }
  }

  private static String bounded(String value, int most) {
    return value.length() <= most ? value : value.substring(0, most);
  }

  private static long number(String value, int digits) {
    if (value.isEmpty() || value.length() > digits) {
      return -1;
    }
    for (int i = 0; i < value.length(); i++) {
      if (value.charAt(i) < '0' || value.charAt(i) > '9') {
        return -1;
      }
    }
    return Long.parseLong(value);
  }
}
