package dev.underspan.abi;

/**
 * What the kernel noted when a thread began to read a request; times are CLOCK_MONOTONIC
 * nanoseconds, 0 where the kernel did not see the moment.
 */
public final class ServerRequest {
  /** Who read it, as {@link Ledger#thread} names threads. */
  public long thread;

  /** The kernel's cookie of the connection, unique since boot. */
  public long cookie;

  /** Of this connection, from 1. */
  public long number;

  /** When the connection was established. */
  public long establishedNs;

  /** When the request's first byte reached the socket. */
  public long arrivalNs;

  /** When the thread took it from there. */
  public long readNs;

  /** Bytes of the request read so far. */
  public long bytesIn;

  /** Smoothed round-trip time of the connection, microseconds. */
  public int rttMicros;

  /** Segments retransmitted since the connection was opened. */
  public int retransmits;

  /** Our port. */
  public int localPort;

  /** The client's port. */
  public int remotePort;

  /** The thread's account at {@link #readNs}, nanoseconds by kind. */
  public final long[] account = new long[Ledger.KINDS];
}
