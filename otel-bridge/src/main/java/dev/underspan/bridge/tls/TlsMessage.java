package dev.underspan.bridge.tls;

import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.Http2Place;
import org.jspecify.annotations.Nullable;

/** What the application's thread tells: a record's key, and plaintext if it held some. */
final class TlsMessage {
  static final byte[] NONE = {};

  final TlsFlow flow;

  /** Where its ciphertext begins and ends in the flow. */
  final long start;

  final long end;
  final @Nullable TlsKey key;

  /** Counts those with plaintext. */
  long index;

  /** When the plaintext was there, CLOCK_MONOTONIC. */
  long timeNs;

  /** Bytes of plaintext; 0: this is for the key only. */
  long total;

  byte[] data = NONE;
  int length;

  /** If the data are not a prefix, but captured by frames. */
  @Nullable Http2Place place;

  byte[] tail = NONE;

  /** Of what a server sent: the connection, and the sender's account. */
  long cookie;

  @Nullable Object account;
  @Nullable TlsFailure failure;

  /** Puts the plaintext there. */
  void fill(Chunk chunk) {
    chunk.totalLength = total;
    chunk.data = data;
    chunk.length = length;
    chunk.place = place;
    chunk.tail = tail;
    chunk.tailLength = tail.length;
  }

  TlsMessage(TlsFlow flow, long start, long end, @Nullable TlsKey key) {
    this.flow = flow;
    this.start = start;
    this.end = end;
    this.key = key;
  }
}
