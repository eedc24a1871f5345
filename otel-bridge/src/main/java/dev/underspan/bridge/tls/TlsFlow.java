package dev.underspan.bridge.tls;

import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.Http2Capture;
import dev.underspan.bridge.wire.TlsFacts;
import java.util.ArrayDeque;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * One direction of a TLS connection as an engine or socket of the JVM works on it. Whoever has one
 * from {@link TlsTap} only hands it back.
 */
public final class TlsFlow {
  final Direction direction;
  final TlsFacts facts;

  // ---- The application's side: one thread at a time, as TLS itself demands.

  /** Bytes of ciphertext so far. */
  long position;

  /** The first record was a hello: all of the connection has been seen. */
  boolean fresh;

  int keysTold;
  long messages;
  final byte[] head = new byte[TlsKey.BYTES];

  /** On a server's side; null on a client's. */
  volatile @Nullable TlsServed served;

  /** If the plaintext is HTTP/2. */
  @Nullable Http2Capture frames;

  /** This is what a server sends, up to its hello. */
  boolean server;

  /** The server's hello. */
  @Nullable TlsKey hello;

  /** For streams, which cut records as they like. */
  final TlsRecords records = new TlsRecords();

  /** What a stream is about to write. */
  final AtomicReference<@Nullable Delivery> delivery = new AtomicReference<>();

  // ---- From the events' side to the application's.

  /** It is known which connection this is. */
  volatile boolean bound;

  /** Nothing more is wanted of it. */
  volatile boolean dead;

  // ---- The events' side.

  final ArrayDeque<TlsMessage> waiting = new ArrayDeque<>(0);
  @Nullable TlsConnection connection;

  /** Where the flow begins in the connection's stream. */
  long base;

  long expected;

  /** The handshake failed. */
  @Nullable TlsFailure failure;

  /** For whoever reads events: a call was made of the failure. */
  boolean failureTold;

  /**
   * For the application's threads: a handshake that has not failed so far, nor is known to be done.
   */
  boolean isHandshaking() {
    return fresh && facts.protocol == null && !facts.failed;
  }

  /**
   * For whoever reads events: that the handshake failed may be still to be told. {@link
   * #isHandshaking} may be false by then, with the message on its way.
   */
  boolean mayTellFailure() {
    return fresh && facts.protocol == null && !failureTold;
  }

  TlsFlow(Direction direction, TlsFacts facts) {
    this.direction = direction;
    this.facts = facts;
  }

  /** Plaintext on its way through a stream, and how far it has come. */
  static final class Delivery {
    final Thread thread;
    final byte[] source;
    int offset;
    int rest;

    Delivery(Thread thread, byte[] source, int offset, int rest) {
      this.thread = thread;
      this.source = source;
      this.offset = offset;
      this.rest = rest;
    }
  }
}
