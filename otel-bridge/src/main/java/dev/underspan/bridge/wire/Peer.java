package dev.underspan.bridge.wire;

/**
 * Whose connection to which of our ports.
 *
 * @param localPort ours
 * @param address the peer's, as text
 * @param port the peer's
 */
public record Peer(int localPort, String address, int port) {}
