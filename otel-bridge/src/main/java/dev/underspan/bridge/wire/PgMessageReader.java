package dev.underspan.bridge.wire;

import java.util.Arrays;

/**
 * Cuts one direction of a PostgreSQL connection into messages: a type byte (absent before the
 * startup message is over), a four byte length that counts itself, a body. Keeps a bounded prefix
 * of a body and steps over bytes that were not captured while the length says what they are.
 */
abstract class PgMessageReader {
  /** Returned by {@link #header} for a message that cannot be. */
  static final int INVALID = -1;

  // The server's own limit for a message is 1 GiB.
  private static final long MAX_LENGTH = 1L << 30;

  private final WireCounters counters;
  private final byte[] head = new byte[5];
  private boolean untyped;
  private boolean inBody;
  private int headLength;
  private int type;
  private long bodyLength;
  private long remaining;
  private byte[] body = new byte[256];
  private int kept;
  private int want;
  private boolean lost;
  private boolean stopped;
  // The last eight bytes seen since framing was lost.
  private long window;

  PgMessageReader(WireCounters counters) {
    this.counters = counters;
  }

  /** A message begins; returns how much of its body to keep, or {@link #INVALID}. */
  abstract int header(int type, long bodyLength);

  /** So many bytes of the current message went by. */
  abstract void bytes(long n);

  /** A message is over; {@code cut} if its body is longer than what was kept. */
  abstract void message(int type, byte[] body, int length, boolean cut);

  /** Framing is lost until {@link #reset()}. */
  abstract void lost();

  /**
   * Do these last bytes of a chunk end what the server says, whatever message they seem part of?
   */
  abstract boolean endsAll(long window);

  /** A chunk ended while framing is lost; {@code window} holds its last bytes. */
  abstract void lostChunkEnd(long window);

  final boolean isLost() {
    return lost;
  }

  final boolean midHeader() {
    return !lost && !inBody && headLength > 0;
  }

  final void untyped(boolean value) {
    untyped = value;
  }

  final boolean untyped() {
    return untyped;
  }

  final void reset() {
    lost = false;
    inBody = false;
    headLength = 0;
  }

  final void lose() {
    if (!stopped && !lost) {
      toLost(0);
    }
  }

  final void stop() {
    stopped = true;
  }

  final void feed(Chunk chunk, int from) {
    feed(chunk.data, from, chunk.captured());
    long hole = chunk.hole();
    if (hole > 0) {
      skip(hole);
    }
    int tail = chunk.tailBeyond();
    if (tail > 0) {
      feed(chunk.tail, chunk.validTail() - tail, chunk.validTail());
    }
    if (!lost && inBody && !stopped) {
      long end = lastBytes(chunk);
      if (endsAll(end)) {
        counters.parseErrors.increment();
        toLost(0);
        window = end;
      }
    }
    if (lost) {
      lostChunkEnd(window);
    }
  }

  private static long lastBytes(Chunk chunk) {
    boolean whole = chunk.hole() == 0 && chunk.tailBeyond() == 0;
    byte[] data = whole ? chunk.data : chunk.tail;
    int end = whole ? chunk.captured() : Math.max(0, chunk.validTail());
    long last = 0;
    for (int i = Math.max(0, end - 8); i < end; i++) {
      last = last << 8 | (data[i] & 0xff);
    }
    return last;
  }

  private void feed(byte[] data, int from, int to) {
    int off = from;
    while (off < to && !stopped) {
      if (lost) {
        for (int i = Math.max(off, to - 8); i < to; i++) {
          window = window << 8 | (data[i] & 0xff);
        }
        bytes(to - off);
        return;
      }
      if (inBody) {
        int n = (int) Math.min(remaining, to - off);
        keep(data, off, Math.min(n, want - kept));
        off += n;
        body(n);
      } else {
        head[headLength++] = data[off++];
        if (headLength == (untyped ? 4 : 5)) {
          begin();
        }
      }
    }
  }

  private void begin() {
    int at = untyped ? 0 : 1;
    type = untyped ? 0 : head[0] & 0xff;
    long length =
        (head[at] & 0xffL) << 24
            | (head[at + 1] & 0xffL) << 16
            | (head[at + 2] & 0xffL) << 8
            | (head[at + 3] & 0xffL);
    int keep = length < 4 || length > MAX_LENGTH ? INVALID : header(type, length - 4);
    int size = headLength;
    headLength = 0;
    if (keep == INVALID) {
      counters.parseErrors.increment();
      toLost(size);
      return;
    }
    bytes(size);
    inBody = true;
    bodyLength = length - 4;
    remaining = bodyLength;
    want = (int) Math.min(keep, bodyLength);
    kept = 0;
    if (remaining == 0) {
      deliver();
    }
  }

  private void skip(long n) {
    if (stopped) {
      return;
    }
    long rest = n;
    if (inBody && !lost) {
      want = kept;
      long mine = Math.min(rest, remaining);
      rest -= mine;
      body(mine);
    }
    if (rest > 0 && !stopped) {
      if (lost) {
        window = 0;
      } else {
        counters.truncatedMessages.increment();
        toLost(headLength);
      }
      bytes(rest);
    }
  }

  private void toLost(int headerBytes) {
    lost = true;
    inBody = false;
    headLength = 0;
    window = 0;
    lost();
    bytes(headerBytes);
  }

  private void body(long n) {
    remaining -= n;
    bytes(n);
    if (remaining == 0) {
      deliver();
    }
  }

  private void deliver() {
    inBody = false;
    message(type, body, kept, kept < bodyLength);
  }

  private void keep(byte[] data, int from, int n) {
    if (n <= 0) {
      return;
    }
    if (kept + n > body.length) {
      body = Arrays.copyOf(body, Math.max(kept + n, Math.min(body.length * 2, want)));
    }
    System.arraycopy(data, from, body, kept, n);
    kept += n;
  }
}
