package dev.underspan.bridge.tls;

import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.ConnectionInfo;
import dev.underspan.bridge.wire.TlsFacts;
import org.jspecify.annotations.Nullable;

/** A handshake of a native library that failed: a call of its own, as there will be no other. */
public final class NativeTlsFailure {
  private NativeTlsFailure() {}

  /**
   * Makes the call.
   *
   * @param hellos what the handshake showed; null if it did not
   * @param failed the event that tells of it; its length is the library's reason
   */
  public static ClientCall call(ConnectionInfo info, @Nullable TlsHellos hellos, Chunk failed) {
    TlsFacts facts = hellos == null ? new TlsFacts() : hellos.facts();
    facts.failed = true;
    long begin = facts.helloNs > 0 ? Math.min(facts.helloNs, failed.timeNs) : failed.timeNs;
    return new ClientCall(
        info.over(facts, info.joinedMidway()),
        !info.joinedMidway(),
        begin,
        begin,
        0,
        failed.timeNs,
        failed.head,
        0,
        0,
        null,
        null,
        failed.rttMicros,
        failed.rttMicros,
        0,
        0,
        OpenSslReasons.name((int) failed.totalLength),
        false,
        -1,
        new ClientCall.Handshake());
  }
}
