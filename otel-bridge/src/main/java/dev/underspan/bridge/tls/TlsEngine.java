package dev.underspan.bridge.tls;

import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.TlsFacts;
import org.jspecify.annotations.Nullable;

/** What is kept with an SSLEngine. Does not refer to it. */
public final class TlsEngine {
  /** Engines that are not observed. */
  static final TlsEngine NONE = new TlsEngine(false);

  /** A server's, which is of interest until its handshake is done. */
  final boolean server;

  final TlsFacts facts = new TlsFacts();
  final TlsFlow out = new TlsFlow(Direction.SENT, facts);
  final TlsFlow in = new TlsFlow(Direction.RECEIVED, facts);

  /** Where the buffers of the operation under way begin. */
  int[] outStarts = new int[4];

  int[] inStarts = new int[4];

  /** Of the record about to be unwrapped, since that may overwrite it. */
  @Nullable TlsKey inKey;

  TlsEngine(boolean server) {
    this.server = server;
  }
}
