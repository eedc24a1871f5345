package dev.underspan.bridge.wire;

import org.jspecify.annotations.Nullable;

/** Small pieces of gRPC (gRPC over HTTP2, "Requests"; gRPC status codes). */
public final class GrpcSyntax {
  private static final String[] STATUS = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED"
  };

  private GrpcSyntax() {}

  /** The name of a status code. */
  public static String status(int code) {
    return code >= 0 && code < STATUS.length ? STATUS[code] : Integer.toString(code);
  }

  /** The service of {@code /package.Service/Method}; null if it is not of that form. */
  static @Nullable String service(String path) {
    int slash = path.lastIndexOf('/');
    return path.startsWith("/") && slash > 1 && slash + 1 < path.length()
        ? path.substring(1, slash)
        : null;
  }

  static @Nullable String method(String path) {
    return service(path) == null ? null : path.substring(path.lastIndexOf('/') + 1);
  }
}
