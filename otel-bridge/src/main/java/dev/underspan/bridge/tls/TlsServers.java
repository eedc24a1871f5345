package dev.underspan.bridge.tls;

import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.Peer;
import org.jspecify.annotations.Nullable;

/** Servers in this process whose plaintext is of interest. */
public interface TlsServers {
  /** Whether what was read from a connection to this port is. */
  boolean isWanted(int localPort);

  /** Whether also reads that do not begin like a request are. */
  boolean isContinued(int localPort);

  /**
   * The calling thread has just read from a connection, maybe the beginning of a request.
   *
   * @param length how much of data that is
   * @param total how much was read
   * @param secured whether it is the plaintext of TLS
   * @return the kernel's cookie of the connection, 0 if there is nothing to be told of answers
   */
  long onRead(byte[] data, int length, int total, Peer peer, boolean secured);

  /** The calling thread's account now; null if there is none. */
  @Nullable Object account();

  /**
   * A server has sent something, in the order of its answers.
   *
   * @param chunk with the sender's {@link #account}
   */
  void onSent(long cookie, Chunk chunk);

  /** Something that it sent is not known. */
  void onLoss(long cookie);
}
