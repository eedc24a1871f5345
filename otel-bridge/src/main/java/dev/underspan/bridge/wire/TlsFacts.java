package dev.underspan.bridge.wire;

import org.jspecify.annotations.Nullable;

/**
 * What is known of a connection's TLS, filled in as it becomes known. Written by the application's
 * threads, read by any.
 */
public final class TlsFacts {
  /** As the JDK names it, e.g. {@code TLSv1.3}. */
  public volatile @Nullable String protocol;

  /** The cipher suite by its registered name. */
  public volatile @Nullable String cipher;

  /** The server's name as the client gave it. */
  public volatile @Nullable String serverName;

  /** What ALPN agreed on, e.g. {@code h2}. */
  public volatile @Nullable String nextProtocol;

  /** When the client's hello was made, CLOCK_MONOTONIC; 0 = not seen. */
  public volatile long helloNs;

  /** How long the handshake took from then on; 0 = not seen. */
  public volatile long handshakeNs;

  /** Whether an earlier session went on; null = not seen. */
  public volatile @Nullable Boolean resumed;

  /** By which the client made itself known; null if it did not, or that was not seen. */
  public volatile @Nullable ClientCertificate clientCertificate;

  /** The handshake failed. */
  public volatile boolean failed;

  /** Nothing is known yet. */
  public TlsFacts() {}
}
