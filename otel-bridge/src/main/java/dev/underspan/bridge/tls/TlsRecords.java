package dev.underspan.bridge.tls;

import org.jspecify.annotations.Nullable;

/**
 * Finds the records in one direction of a connection, of whose bytes only some are seen, however
 * they were cut into sends or reads. Not thread-safe.
 */
final class TlsRecords {
  /** Takes the key of a record, and where in the stream the record begins. */
  interface Found {
    void record(TlsKey key, long position);
  }

  private final byte[] head = new byte[TlsKey.BYTES];
  private int have;
  private boolean aligned;
  private long next;

  /** Where the record begins that the last bytes were part of. */
  private long begin;

  /** Bytes left of a record whose head has been seen. */
  private long rest;

  private int hello;

  /** Where the latest record begins. */
  long begin() {
    return begin;
  }

  /** The type of hello that the latest head held, 0 if it was none. */
  int hello() {
    return hello;
  }

  /**
   * The next bytes.
   *
   * @param position of the first in the stream
   * @param captured how many of them are in data
   * @param total how many they are
   */
  void feed(
      long position, byte[] data, int offset, int captured, long total, @Nullable Found found) {
    if (!aligned || position != next) {
      // Reads and sends nearly always begin with a record; whether they do is told by the key.
      aligned = TlsKey.begins(data, offset, captured);
      have = 0;
      rest = 0;
      begin = position;
    }
    next = position + total;
    int at = 0;
    while (aligned && at < captured) {
      if (rest > 0) {
        int n = (int) Math.min(rest, captured - at);
        rest -= n;
        at += n;
      } else {
        if (have == 0) {
          begin = position + at;
        }
        head[have++] = data[offset + at++];
        head(found);
      }
    }
    if (aligned && total > captured) {
      long hole = total - captured;
      aligned = have == 0 && rest >= hole;
      rest -= hole;
    }
  }

  private void head(@Nullable Found found) {
    if (have < TlsKey.HEADER) {
      return;
    }
    int body = TlsKey.bodyLength(head, 0);
    if (body < 0) {
      aligned = false;
      return;
    }
    int size = Math.min(TlsKey.BYTES, TlsKey.HEADER + body);
    if (have == size) {
      hello = TlsKey.hello(head, 0, size);
      TlsKey key = TlsKey.of(head, 0, size);
      have = 0;
      rest = (long) TlsKey.HEADER + body - size;
      if (key != null && found != null) {
        found.record(key, begin);
      }
    }
  }
}
