package dev.underspan.bridge.span;

import org.jspecify.annotations.Nullable;

/**
 * An HTTP request as its handler sees it.
 *
 * @param component which server, for the instrumentation scope
 * @param method request method; of gRPC the full name, {@code package.Service/Method}
 * @param scheme http or https
 * @param path without the query
 * @param query without the question mark
 * @param host Host header
 * @param clientAddress as the server gives it
 * @param clientPort as the server gives it, 0 if unknown
 * @param localPort 0 if unknown
 * @param protocolVersion 1.1, 2 …
 * @param userAgent User-Agent header
 */
public record RequestInfo(
    String component,
    String method,
    @Nullable String scheme,
    @Nullable String path,
    @Nullable String query,
    @Nullable String host,
    @Nullable String clientAddress,
    int clientPort,
    int localPort,
    @Nullable String protocolVersion,
    @Nullable String userAgent) {
  /** Whether it is a gRPC call. */
  boolean isGrpc() {
    return component.equals("grpc");
  }

  /**
   * Whether frames of many requests share a connection: what arrived there last need not be this
   * one's.
   */
  public boolean isMultiplexed() {
    return isGrpc()
        || (protocolVersion != null
            && (protocolVersion.startsWith("HTTP/2") || protocolVersion.equals("2")));
  }
}
