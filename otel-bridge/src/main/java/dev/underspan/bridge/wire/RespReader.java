package dev.underspan.bridge.wire;

/**
 * Cuts one direction of a Redis connection into values: RESP2 and RESP3 (Redis documentation,
 * "Redis serialization protocol specification"). Keeps a few bytes of what it is asked to keep, and
 * steps over bytes that were not captured while the length of a string says what they are.
 *
 * <p>How deep values are nested does not matter: it is enough to count the elements still due. The
 * streamed types of RESP3, of which no length is known, are not sent by any server and not read.
 */
abstract class RespReader {
  /** Returned by {@link #element} for what cannot be. */
  static final int INVALID = -1;

  private static final int MAX_KEPT = 64;
  private static final int MAX_LINE = 64 * 1024;
  private static final long MAX_BLOB = 1L << 32;
  private static final long MAX_ELEMENTS = 1L << 31;

  private enum State {
    TYPE,
    LINE,
    BLOB
  }

  private final WireCounters counters;
  private final byte[] kept = new byte[MAX_KEPT];
  private int keptLength;
  private int want;
  private State state = State.TYPE;
  private int type;
  private int lineLength;
  private boolean carriageReturn;
  // Of a blob, its CR LF included.
  private long remaining;
  // Elements still due; 0 = between values.
  private long due;
  // The same for an attribute, which may stand before any element and is none itself.
  private long attributeDue;
  private int index;
  private boolean lost;
  private boolean stopped;

  RespReader(WireCounters counters) {
    this.counters = counters;
  }

  /** A value begins with this byte; false if it cannot. */
  abstract boolean begin(int type);

  /** So many bytes of the current value went by. */
  abstract void bytes(long n);

  /**
   * A length was read: of the value itself (index 0), or of what it consists of, in order and
   * without regard to nesting. Returns how many bytes of a string to keep, or {@link #INVALID}.
   */
  abstract int element(int index, int type, long length);

  /** A line or a string is over; not called for strings of which nothing was to be kept. */
  abstract void text(int index, int type, byte[] data, int length);

  /** The value is over. */
  abstract void end();

  /** Framing is lost until {@link #reset()}. */
  abstract void lost();

  final boolean isLost() {
    return lost;
  }

  /** Whether a value has begun and is not over. */
  final boolean inValue() {
    return due > 0;
  }

  final void reset() {
    lost = false;
    due = 0;
    attributeDue = 0;
    state = State.TYPE;
  }

  final void lose() {
    if (!stopped && !lost) {
      lost = true;
      lost();
    }
  }

  final void stop() {
    stopped = true;
  }

  final void feed(Chunk chunk) {
    feed(chunk.data, 0, chunk.captured());
    long hole = chunk.hole();
    if (hole > 0 && !stopped) {
      skip(hole);
    }
    int tail = chunk.tailBeyond();
    if (tail > 0) {
      feed(chunk.tail, chunk.validTail() - tail, chunk.validTail());
    }
  }

  private void feed(byte[] data, int from, int to) {
    int off = from;
    while (off < to && !stopped) {
      if (lost) {
        bytes(to - off);
        return;
      }
      int start = off;
      switch (state) {
        case TYPE -> {
          type(data[off++] & 0xff);
          bytes(1);
        }
        case LINE -> {
          boolean over = false;
          while (off < to && !over && !lost) {
            over = line(data[off++]);
          }
          bytes(off - start);
          if (over) {
            lineEnd();
          }
        }
        case BLOB -> {
          int n = (int) Math.min(remaining, to - off);
          int keep = (int) Math.min(Math.min(n, remaining - 2), want - keptLength);
          for (int i = 0; i < keep; i++) {
            kept[keptLength++] = data[off + i];
          }
          off += n;
          blob(n);
        }
      }
    }
  }

  private void skip(long n) {
    long rest = n;
    if (!lost && state == State.BLOB) {
      if (keptLength < want) {
        // Half a word is none.
        counters.truncatedMessages.increment();
        keptLength = 0;
        want = 0;
      }
      long mine = Math.min(rest, remaining);
      rest -= mine;
      blob(mine);
    }
    if (rest > 0 && !stopped) {
      if (!lost) {
        counters.truncatedMessages.increment();
        lose();
      }
      bytes(rest);
    }
  }

  private void type(int b) {
    if (due == 0) {
      index = 0;
      if (!begin(b)) {
        broken();
        return;
      }
      due = 1;
    }
    if (!RespSyntax.isLine(b) && !RespSyntax.isBlob(b) && !RespSyntax.isAggregate(b)) {
      broken();
      return;
    }
    type = b;
    state = State.LINE;
    lineLength = 0;
    keptLength = 0;
    carriageReturn = false;
  }

  /** One more byte of a line; true if it was the last. */
  private boolean line(byte b) {
    if (carriageReturn) {
      if (b != '\n') {
        broken();
      }
      return b == '\n';
    }
    if (b == '\r') {
      carriageReturn = true;
    } else if (b == '\n' || ++lineLength > MAX_LINE) {
      broken();
    } else if (keptLength < MAX_KEPT) {
      kept[keptLength++] = b;
    }
    return false;
  }

  private void lineEnd() {
    if (RespSyntax.isLine(type)) {
      if (attributeDue == 0) {
        text(index, type, kept, keptLength);
      }
      elementEnd(0);
      return;
    }
    long n = RespSyntax.number(kept, 0, Math.min(lineLength, keptLength));
    boolean blob = RespSyntax.isBlob(type);
    if (n < -1 || n > (blob ? MAX_BLOB : MAX_ELEMENTS)) {
      broken();
      return;
    }
    if (type == '|') {
      attributeDue += Math.max(0, 2 * n);
      state = State.TYPE;
      return;
    }
    int keep = attributeDue > 0 ? 0 : element(index, type, n);
    if (keep == INVALID) {
      broken();
    } else if (blob && n >= 0) {
      state = State.BLOB;
      remaining = n + 2;
      want = (int) Math.min(Math.min(keep, MAX_KEPT), n);
      keptLength = 0;
    } else {
      elementEnd(blob ? 0 : Math.max(0, type == '%' ? 2 * n : n));
    }
  }

  private void blob(long n) {
    remaining -= n;
    bytes(n);
    if (remaining == 0) {
      if (keptLength > 0) {
        text(index, type, kept, keptLength);
      }
      elementEnd(0);
    }
  }

  private void elementEnd(long announced) {
    state = State.TYPE;
    if (attributeDue > 0) {
      attributeDue += announced - 1;
      return;
    }
    due += announced - 1;
    if (index < Integer.MAX_VALUE) {
      index++;
    }
    if (due == 0) {
      end();
    }
  }

  private void broken() {
    counters.parseErrors.increment();
    lose();
  }
}
