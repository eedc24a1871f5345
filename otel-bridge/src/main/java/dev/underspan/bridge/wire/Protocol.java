package dev.underspan.bridge.wire;

/** Reads one application protocol on one connection. Not thread-safe. */
sealed interface Protocol
    permits HttpProtocol, Http2Protocol, PgProtocol, RedisProtocol, MySqlProtocol, KafkaProtocol {

  /** What becomes of the connection after a chunk. */
  enum Verdict {
    /** Keep feeding. */
    CONTINUE,
    /** The connection carries something else for good, e.g. TLS. */
    STOP,
    /** The bytes were not of this protocol after all. */
    NOT_MINE
  }

  /** Which end of the connection we are. Servers' calls are not read yet. */
  enum Role {
    CLIENT,
    SERVER
  }

  Verdict onChunk(Chunk chunk);

  /** Chunks of either direction may be missing from here on. */
  void onLoss();

  void onClose(long timeNs, boolean error);
}
