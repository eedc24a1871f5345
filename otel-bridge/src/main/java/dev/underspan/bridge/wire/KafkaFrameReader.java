package dev.underspan.bridge.wire;

/**
 * Cuts one direction of a Kafka connection into frames: a size of four bytes, then so many. Steps
 * over bytes that were not captured while the size says what they are.
 */
abstract class KafkaFrameReader {
  private final WireCounters counters;
  private int headLength;
  private int head;
  private boolean inFrame;
  private long remaining;
  private boolean lost;

  KafkaFrameReader(WireCounters counters) {
    this.counters = counters;
  }

  /** The first byte of a frame's size. */
  abstract void begin();

  /** The size of the frame; returns whether it can be. */
  abstract boolean size(long size);

  /** So many bytes of the current frame went by, its size included. */
  abstract void bytes(long n);

  /** Bytes of a frame; returns whether they can be. */
  abstract boolean body(byte[] data, int from, int to);

  /** So many bytes of a frame were not seen. */
  abstract void hole(long n);

  /** The frame is over. */
  abstract void end();

  /** Bytes are no frame that can be. */
  abstract void invalid();

  /** Framing is lost until {@link #reset()}. */
  abstract void lost();

  final boolean isLost() {
    return lost;
  }

  final boolean inFrame() {
    return inFrame;
  }

  final long remaining() {
    return remaining;
  }

  final void reset() {
    lost = false;
    inFrame = false;
    headLength = 0;
  }

  final void lose() {
    if (!lost) {
      lost = true;
      inFrame = false;
      headLength = 0;
      lost();
    }
  }

  final void feed(Chunk chunk) {
    feed(chunk.data, 0, chunk.captured());
    long unseen = chunk.hole();
    if (unseen > 0) {
      skip(unseen);
    }
    int tail = chunk.tailBeyond();
    if (tail > 0) {
      feed(chunk.tail, chunk.validTail() - tail, chunk.validTail());
    }
  }

  private void feed(byte[] data, int from, int to) {
    int at = from;
    while (at < to && !lost) {
      if (inFrame) {
        int n = (int) Math.min(remaining, to - at);
        remaining -= n;
        // Counted first: the end of a call is told by its bytes.
        bytes(n);
        if (!body(data, at, at + n)) {
          wrong();
          return;
        }
        at += n;
        over();
      } else {
        if (headLength == 0) {
          head = 0;
          begin();
        }
        head = head << 8 | (data[at++] & 0xff);
        bytes(1);
        if (++headLength == 4) {
          headLength = 0;
          if (head <= 0 || !size(head)) {
            wrong();
            return;
          }
          inFrame = true;
          remaining = head;
        }
      }
    }
  }

  private void wrong() {
    counters.parseErrors.increment();
    lose();
    invalid();
  }

  private void skip(long n) {
    if (lost) {
      return;
    }
    long mine = inFrame ? Math.min(n, remaining) : 0;
    if (mine > 0) {
      remaining -= mine;
      bytes(mine);
      hole(mine);
      over();
    }
    if (n > mine) {
      counters.truncatedMessages.increment();
      lose();
    }
  }

  private void over() {
    if (remaining == 0 && inFrame) {
      inFrame = false;
      end();
    }
  }
}
