package dev.underspan.bridge.tls;

import dev.underspan.bridge.wire.Peer;
import org.jspecify.annotations.Nullable;

/** A connection on which this process is the server. */
final class TlsServed {
  /** Whose it is; null while that is not known. */
  volatile @Nullable Peer peer;

  /** The kernel's cookie of it, once there was a request whose answer is wanted; else 0. */
  volatile long cookie;
}
