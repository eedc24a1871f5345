package dev.underspan.bridge.tls;

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
  @Nullable TlsFailure failure;

  TlsMessage(TlsFlow flow, long start, long end, @Nullable TlsKey key) {
    this.flow = flow;
    this.start = start;
    this.end = end;
    this.key = key;
  }
}
