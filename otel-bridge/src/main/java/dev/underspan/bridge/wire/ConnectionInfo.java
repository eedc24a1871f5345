package dev.underspan.bridge.wire;

import org.jspecify.annotations.Nullable;

/**
 * What is known of a TCP connection before any byte is read.
 *
 * @param localAddress our address as text
 * @param localPort our port
 * @param remoteAddress the peer's address as text
 * @param remotePort the peer's port
 * @param clientSide true if we connected, false if we accepted
 * @param joinedMidway true if the connection was open before we began to watch it
 * @param connectStartNs CLOCK_MONOTONIC ns at which connect began, 0 = unknown
 * @param connectedNs CLOCK_MONOTONIC ns at which the connection was established, 0 = unknown
 * @param tls what is known of its TLS; null if what is read came in the clear
 */
public record ConnectionInfo(
    String localAddress,
    int localPort,
    String remoteAddress,
    int remotePort,
    boolean clientSide,
    boolean joinedMidway,
    long connectStartNs,
    long connectedNs,
    @Nullable TlsFacts tls) {

  /** A connection in the clear. */
  public ConnectionInfo(
      String localAddress,
      int localPort,
      String remoteAddress,
      int remotePort,
      boolean clientSide,
      boolean joinedMidway,
      long connectStartNs,
      long connectedNs) {
    this(
        localAddress,
        localPort,
        remoteAddress,
        remotePort,
        clientSide,
        joinedMidway,
        connectStartNs,
        connectedNs,
        null);
  }

  /** What TLS on this connection protects. */
  public ConnectionInfo over(TlsFacts facts, boolean midway) {
    return new ConnectionInfo(
        localAddress,
        localPort,
        remoteAddress,
        remotePort,
        clientSide,
        midway,
        connectStartNs,
        connectedNs,
        facts);
  }
}
