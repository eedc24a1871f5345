package dev.underspan.bridge.tls;

import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.TlsFacts;
import org.jspecify.annotations.Nullable;

/** What is kept with an SSLEngine. Does not refer to it. */
public final class TlsEngine {
  /** Engines that are not observed. */
  static final TlsEngine NONE = new TlsEngine();

  final boolean server;

  /** Its client's certificate is to come, until the handshake is done. */
  volatile boolean asks;

  final TlsFacts facts = new TlsFacts();
  final TlsFlow out = new TlsFlow(Direction.SENT, facts);
  final TlsFlow in = new TlsFlow(Direction.RECEIVED, facts);

  /** Where the buffers of the operation under way begin. */
  int[] outStarts = new int[4];

  int[] inStarts = new int[4];

  /** Of the record about to be unwrapped, since that may overwrite it. */
  @Nullable TlsKey inKey;

  /** A client's. */
  TlsEngine() {
    this(false, null);
  }

  /**
   * A server's.
   *
   * @param asks whether it asks its clients for certificates
   */
  TlsEngine(boolean asks, @Nullable TlsServed served) {
    this.server = asks || served != null;
    this.asks = asks;
    out.served = served;
    in.served = served;
  }

  /** No more plaintext is wanted. */
  void forget() {
    out.dead = true;
    in.dead = true;
  }
}
