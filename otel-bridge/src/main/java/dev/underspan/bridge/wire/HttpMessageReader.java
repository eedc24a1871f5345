package dev.underspan.bridge.wire;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Cuts one direction of an HTTP/1.x connection into messages (RFC 9112), stepping over bytes that
 * were not captured as long as the framing says what they are. Holds one line at a time.
 */
abstract class HttpMessageReader {
  private static final int MAX_LINE = 8 * 1024;
  private static final int MAX_HEAD = 64 * 1024;

  private enum State {
    START,
    HEADERS,
    FIXED,
    CHUNK_SIZE,
    CHUNK_DATA,
    TRAILERS,
    UNTIL_CLOSE,
    LOST,
    STOPPED
  }

  /** Where framing was lost. */
  enum LostIn {
    HEAD,
    CHUNKED,
    NEXT_MESSAGE
  }

  private final WireCounters counters;
  private State state = State.START;
  private LostIn lostIn = LostIn.HEAD;
  private boolean begun;
  private byte[] line = new byte[256];
  private int lineLength;
  private boolean lineCut;
  private int headBytes;
  private long remaining;
  private int consumed;
  // Bytes of the last chunk behind the end of the message at which it was stopped.
  private long behind;
  // The last eight bytes seen since framing was lost.
  private long window;

  HttpMessageReader(WireCounters counters) {
    this.counters = counters;
  }

  /** The first byte of a message. */
  abstract void messageBegin();

  /** So many bytes of the current message went by. */
  abstract void bytes(long n);

  /** Could these bytes begin a start line? */
  abstract boolean plausibleStart(byte[] line, int length);

  /** The start line; false if it is none. */
  abstract boolean startLine(String line, boolean cut);

  abstract void header(String name, String value);

  /** The end of the head: must choose a body. */
  abstract void headEnd();

  abstract void messageEnd();

  /** Framing is lost until {@link #reset()} or {@link #endOfChunk()} finds it again. */
  abstract void lost();

  /** Does a chunk that ends with these bytes end the message whose framing was lost? */
  abstract boolean recover(long window, LostIn in);

  final boolean isLost() {
    return state == State.LOST;
  }

  final boolean isStart() {
    return state == State.START && !begun;
  }

  final boolean isUntilClose() {
    return state == State.UNTIL_CLOSE;
  }

  final boolean inBody() {
    return state == State.FIXED || state == State.CHUNK_SIZE || state == State.CHUNK_DATA;
  }

  final void reset() {
    state = State.START;
    begun = false;
    lineLength = 0;
    lineCut = false;
    headBytes = 0;
  }

  final void lose() {
    if (state != State.STOPPED) {
      reset();
      toLost(LostIn.NEXT_MESSAGE);
    }
  }

  final void stop() {
    state = State.STOPPED;
  }

  final void bodyNone() {
    end();
  }

  final void bodyFixed(long length) {
    if (length == 0) {
      end();
    } else {
      remaining = length;
      state = State.FIXED;
    }
  }

  final void bodyChunked() {
    state = State.CHUNK_SIZE;
  }

  final void bodyUntilClose() {
    state = State.UNTIL_CLOSE;
  }

  final void feed(Chunk chunk) {
    behind = 0;
    consumed = feed(chunk.data, 0, chunk.captured());
    if (state == State.STOPPED) {
      behind = chunk.totalLength - consumed;
      return;
    }
    long hole = chunk.hole();
    int tail = chunk.tailBeyond();
    if (hole > 0) {
      skip(hole);
    }
    if (state == State.STOPPED) {
      behind += tail;
      return;
    }
    if (tail > 0) {
      int end = chunk.validTail();
      int off = feed(chunk.tail, end - tail, end);
      if (state == State.STOPPED) {
        behind = (long) end - off;
        return;
      }
    }
    endOfChunk();
  }

  /** Bytes of the last chunk that came behind the message at which reading was stopped. */
  final long behind() {
    return behind;
  }

  /** How much of the chunk's captured prefix was read; less than all only if stopped within. */
  final int consumed() {
    return consumed;
  }

  private int feed(byte[] data, int from, int to) {
    int off = from;
    while (off < to) {
      switch (state) {
        case START, HEADERS, CHUNK_SIZE, TRAILERS -> off = line(data, off, to);
        case FIXED, CHUNK_DATA -> {
          int n = (int) Math.min(remaining, to - off);
          off += n;
          body(n);
        }
        case UNTIL_CLOSE -> {
          bytes(to - off);
          return to;
        }
        case LOST -> {
          for (int i = Math.max(off, to - 8); i < to; i++) {
            window = window << 8 | (data[i] & 0xff);
          }
          bytes(to - off);
          return to;
        }
        case STOPPED -> {
          return off;
        }
      }
    }
    return off;
  }

  private void skip(long n) {
    switch (state) {
      case FIXED, CHUNK_DATA -> {
        if (n <= remaining) {
          body(n);
          return;
        }
        long rest = n - remaining;
        boolean fixed = state == State.FIXED;
        body(remaining);
        if (state == State.STOPPED) {
          behind = rest;
          return;
        }
        if (fixed) {
          // The message ended unseen, and so began the next.
          messageBegin();
          lose(LostIn.NEXT_MESSAGE);
        } else {
          lose(LostIn.CHUNKED);
        }
        bytes(rest);
      }
      case CHUNK_SIZE, TRAILERS -> {
        lose(LostIn.CHUNKED);
        bytes(n);
      }
      case START -> {
        if (!begun) {
          messageBegin();
        } else if (lineLength > 0) {
          startLine(text(), true);
        }
        lose(LostIn.HEAD);
        bytes(n);
      }
      case HEADERS -> {
        lose(LostIn.HEAD);
        bytes(n);
      }
      case UNTIL_CLOSE -> bytes(n);
      case LOST -> {
        window = 0;
        bytes(n);
      }
      case STOPPED -> {}
    }
  }

  private void body(long n) {
    remaining -= n;
    bytes(n);
    if (remaining == 0) {
      if (state == State.FIXED) {
        end();
      } else {
        state = State.CHUNK_SIZE;
      }
    }
  }

  private void end() {
    reset();
    messageEnd();
  }

  private void lose(LostIn in) {
    counters.truncatedMessages.increment();
    toLost(in);
  }

  private void broken(LostIn in) {
    counters.parseErrors.increment();
    toLost(in);
  }

  private void toLost(LostIn in) {
    state = State.LOST;
    lostIn = in;
    window = 0;
    lineLength = 0;
    lineCut = false;
    lost();
  }

  private void endOfChunk() {
    if (state == State.LOST && recover(window, lostIn)) {
      counters.resynchronised.increment();
      end();
    }
  }

  private int line(byte[] data, int from, int to) {
    int off = from;
    if (state == State.START && !begun) {
      // Empty lines before a message are to be ignored (RFC 9112, 2.2).
      while (off < to && (data[off] == '\r' || data[off] == '\n')) {
        off++;
      }
      if (off == to) {
        return off;
      }
      begun = true;
      messageBegin();
    }
    int newline = off;
    while (newline < to && data[newline] != '\n') {
      newline++;
    }
    append(data, off, newline);
    boolean whole = newline < to;
    int next = whole ? newline + 1 : to;
    bytes(next - off);
    headBytes += next - off;
    if (state == State.START && !plausibleStart(line, lineLength)) {
      broken(LostIn.HEAD);
    } else if (whole) {
      boolean cut = lineCut;
      String text = text();
      lineLength = 0;
      lineCut = false;
      lineDone(text, cut);
    } else if (headBytes > MAX_HEAD) {
      broken(state == State.START || state == State.HEADERS ? LostIn.HEAD : LostIn.CHUNKED);
    }
    return next;
  }

  private void append(byte[] data, int from, int to) {
    int n = to - from;
    if (lineLength + n > MAX_LINE) {
      n = MAX_LINE - lineLength;
      lineCut = true;
    }
    if (lineLength + n > line.length) {
      line = Arrays.copyOf(line, Math.min(MAX_LINE, Math.max(line.length * 2, lineLength + n)));
    }
    System.arraycopy(data, from, line, lineLength, n);
    lineLength += n;
  }

  private String text() {
    int n = lineLength;
    if (n > 0 && line[n - 1] == '\r') {
      n--;
    }
    return new String(line, 0, n, StandardCharsets.ISO_8859_1);
  }

  private void lineDone(String text, boolean cut) {
    switch (state) {
      case START -> {
        if (startLine(text, cut)) {
          state = State.HEADERS;
        } else {
          broken(LostIn.HEAD);
        }
      }
      case HEADERS -> {
        if (text.isEmpty()) {
          headEnd();
        } else if (headBytes > MAX_HEAD) {
          broken(LostIn.HEAD);
        } else {
          int colon = text.indexOf(':');
          if (colon > 0 && !cut) {
            header(text.substring(0, colon), text.substring(colon + 1).strip());
          }
        }
      }
      case CHUNK_SIZE -> {
        headBytes = 0;
        long size = chunkSize(text);
        if (size < 0) {
          broken(LostIn.CHUNKED);
        } else if (size == 0) {
          state = State.TRAILERS;
        } else {
          // The CRLF that follows the data goes with it.
          remaining = size + 2;
          state = State.CHUNK_DATA;
        }
      }
      case TRAILERS -> {
        if (text.isEmpty()) {
          end();
        }
      }
      default -> throw new AssertionError(state);
    }
  }

  private static long chunkSize(String text) {
    int n = 0;
    while (n < text.length() && Character.digit(text.charAt(n), 16) >= 0) {
      n++;
    }
    boolean ends = n == text.length() || text.charAt(n) == ';' || text.charAt(n) <= ' ';
    return n == 0 || n > 15 || !ends ? -1 : Long.parseLong(text.substring(0, n), 16);
  }
}
