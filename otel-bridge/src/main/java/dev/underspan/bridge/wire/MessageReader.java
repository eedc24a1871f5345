package dev.underspan.bridge.wire;

import java.util.Arrays;

/**
 * Cuts one direction of a connection into messages: a header that says how long the body is, and
 * the body. Keeps a bounded prefix of a body and steps over bytes that were not captured while the
 * length says what they are.
 */
abstract class MessageReader {
  /** Returned for a header that cannot be. */
  static final int INVALID = -1;

  private final WireCounters counters;
  private final byte[] head;
  private boolean inBody;
  private int headLength;
  private long bodyLength;
  private long remaining;
  private byte[] body = new byte[256];
  private int kept;
  private int want;
  private boolean lost;
  private boolean stopped;
  // The last sixteen bytes seen since framing was lost, the very last eight in the second.
  private long windowBefore;
  private long windowLast;

  MessageReader(int maxHead, WireCounters counters) {
    this.head = new byte[maxHead];
    this.counters = counters;
  }

  /** How long the next header is. */
  abstract int headLength();

  /** The length of the body that a header announces, or {@link #INVALID}. */
  abstract long bodyLength(byte[] head);

  /** A message begins; returns how much of its body to keep, or {@link #INVALID}. */
  abstract int begin(long bodyLength);

  /** So many bytes of the current message went by. */
  abstract void bytes(long n);

  /** A message is over; {@code cut} if its body is longer than what was kept. */
  abstract void end(byte[] body, int length, boolean cut);

  /** Framing is lost until {@link #reset()}. */
  abstract void lost();

  /**
   * Do these last sixteen bytes of a chunk end what the server says, whatever message they seem
   * part of?
   */
  abstract boolean endsAll(long before, long last);

  /** A chunk ended while framing is lost; its last sixteen bytes. */
  abstract void lostChunkEnd(long before, long last);

  final boolean isLost() {
    return lost;
  }

  final boolean midHeader() {
    return !lost && !inBody && headLength > 0;
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
      boolean whole = hole == 0 && tail == 0;
      byte[] data = whole ? chunk.data : chunk.tail;
      int end = whole ? chunk.captured() : Math.max(0, chunk.validTail());
      long before = last(data, end - 8);
      long last = last(data, end);
      if (endsAll(before, last)) {
        counters.parseErrors.increment();
        toLost(0);
        windowBefore = before;
        windowLast = last;
      }
    }
    if (lost) {
      lostChunkEnd(windowBefore, windowLast);
    }
  }

  private static long last(byte[] data, int end) {
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
        for (int i = Math.max(off, to - 16); i < to; i++) {
          windowBefore = windowBefore << 8 | windowLast >>> 56;
          windowLast = windowLast << 8 | (data[i] & 0xff);
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
        if (headLength == headLength()) {
          begin();
        }
      }
    }
  }

  private void begin() {
    long length = bodyLength(head);
    int keep = length < 0 ? INVALID : begin(length);
    int size = headLength;
    headLength = 0;
    if (keep == INVALID) {
      counters.parseErrors.increment();
      toLost(size);
      return;
    }
    bytes(size);
    inBody = true;
    bodyLength = length;
    remaining = length;
    want = (int) Math.min(keep, length);
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
        windowBefore = 0;
        windowLast = 0;
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
    windowBefore = 0;
    windowLast = 0;
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
    end(body, kept, kept < bodyLength);
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
