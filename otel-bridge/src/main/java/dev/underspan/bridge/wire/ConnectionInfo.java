package dev.underspan.bridge.wire;

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
 */
public record ConnectionInfo(
    String localAddress,
    int localPort,
    String remoteAddress,
    int remotePort,
    boolean clientSide,
    boolean joinedMidway,
    long connectStartNs,
    long connectedNs) {}
