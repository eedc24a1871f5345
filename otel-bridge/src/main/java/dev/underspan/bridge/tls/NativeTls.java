package dev.underspan.bridge.tls;

import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.ConnectionInfo;
import dev.underspan.bridge.wire.TlsFacts;
import dev.underspan.bridge.wire.WireConnection;
import dev.underspan.bridge.wire.WireCounters;
import org.jspecify.annotations.Nullable;

/**
 * A connection whose TLS is a native library's: the kernel tells its plaintext, already on the
 * right connection and in order with its other events.
 */
public final class NativeTls {
  private final WireConnection wire;
  private boolean used;

  /**
   * Begins with the first ciphertext that the library moved for plaintext's sake.
   *
   * @param plain what reads the same connection in the clear
   * @param hellos what the handshake showed before; null if it was not seen
   */
  public NativeTls(
      ConnectionInfo info,
      WireConnection plain,
      @Nullable TlsHellos hellos,
      WireCounters counters) {
    TlsFacts facts = hellos == null ? new TlsFacts() : hellos.facts();
    if (hellos != null && facts.protocol != null) {
      // Its last message was what came last.
      facts.handshakeNs = hellos.lastNs() - facts.helloNs;
    }
    wire = plain.over(info.over(facts, info.joinedMidway() || hellos == null));
    counters.tlsNative.increment();
  }

  /** Plaintext that was sent or received. */
  public void onPlaintext(Chunk chunk) {
    used = true;
    wire.onChunk(chunk);
  }

  /** Whether there was any plaintext, so that the handshake was done. */
  public boolean isUsed() {
    return used;
  }

  /** Events were lost. */
  public void onLoss() {
    wire.onLoss();
  }

  /** The connection is over. */
  public void onClose(long timeNs) {
    wire.onClose(timeNs, false);
  }
}
