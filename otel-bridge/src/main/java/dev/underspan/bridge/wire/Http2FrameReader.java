package dev.underspan.bridge.wire;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Cuts one direction of an HTTP/2 connection into frames (RFC 9113, 4.1), stepping over bytes that
 * were not captured as long as the framing says what they are.
 *
 * <p>Large bodies come as a run of DATA frames of one size, of which the last one of a send may be
 * shorter. A hole after such a frame is taken for more of the same: a guess, told to the subclass.
 * It is proven by a frame header within a chunk just where it should be, or by the message's length
 * when that comes out even. If no frame header is where one should be, framing is lost.
 */
abstract class Http2FrameReader {
  /** A length that is not known. */
  static final long UNKNOWN = -1;

  // Most that is kept of one payload: a header block, or what is read of other frames.
  private static final int MAX_KEPT = 64 * 1024;
  // The shorter the frames, the likelier it is that other ones happen to be as long together.
  private static final int MIN_GUESS = 1024;
  // Of a frame whose header was not seen.
  private static final int UNSEEN = -1;
  private static final byte[] NONE = new byte[0];

  private enum State {
    PREFACE,
    HEADER,
    PAYLOAD,
    LOST
  }

  private final WireCounters counters;
  private final byte[] header = new byte[Http2Syntax.HEADER];
  private State state = State.HEADER;
  private int headerLength;
  private int prefaceLeft;
  private int type;
  private int flags;
  private int stream;
  private int length;
  private int remaining;
  private byte[] kept = NONE;
  private int keptLength;
  private int keepLimit;
  private boolean cut;
  // The current or last frame's header was not seen.
  private boolean guessed;
  private boolean messageDone;
  // Of the DATA frames seen.
  private int largest;

  Http2FrameReader(WireCounters counters) {
    this.counters = counters;
  }

  /** Whether such a frame may come now. */
  abstract boolean expected(int type, int stream);

  /** Whether a frame of this stream would be no surprise. */
  abstract boolean likelyStream(int stream);

  /** How much more DATA the current message on a stream has; {@link #UNKNOWN} if not known. */
  abstract long messageLeft(int stream);

  /** The last bytes of a chunk began a frame header. */
  abstract void headerCut();

  abstract void frameBegin(int type, int stream, int length);

  /** So many bytes of the current frame went by. */
  abstract void bytes(int type, int stream, long n);

  /** Some payload of a DATA frame; null if it was not captured. */
  abstract void data(int stream, int flags, byte @Nullable [] data, int from, long n);

  /**
   * The end of a frame.
   *
   * @param kept the first {@code n} bytes of its payload, of frames that carry more than data
   * @param cut whether more of it was needed
   * @param guessed whether its header was not seen
   */
  abstract void frameEnd(
      int type,
      int flags,
      int stream,
      int length,
      byte[] kept,
      int n,
      boolean cut,
      boolean guessed);

  /** The framing is guessed from here on: in a hole, more DATA of this stream is assumed. */
  abstract void guess(int stream);

  /** A guess about this stream came true; 0 = about any. */
  abstract void proven(int stream);

  /** Framing is lost: any frame may go by unseen until {@link #found()}. */
  abstract void lost();

  abstract void found();

  final void expectPreface() {
    state = State.PREFACE;
    prefaceLeft = Http2Syntax.PREFACE_LENGTH;
  }

  final boolean isLost() {
    return state == State.LOST;
  }

  /** Looks for the next run of frames. */
  final void lose() {
    state = State.LOST;
    headerLength = 0;
    guessed = false;
    messageDone = false;
    dropKept();
    lost();
  }

  final void feed(Chunk chunk) {
    Http2Place place = chunk.place;
    if (place != null) {
      framed(chunk, place);
    } else {
      prefix(chunk);
    }
  }

  /** Takes what was captured by frames, so that nothing is guessed. */
  private void framed(Chunk chunk, Http2Place place) {
    if (!isAt(place)) {
      goTo(place);
    }
    int captured = chunk.captured();
    int keep = place.keep;
    int off = 0;
    long left = chunk.totalLength;
    while (left > 0 && state != State.LOST) {
      boolean atHead = state == State.HEADER;
      if ((atHead || keep > 0) && off == captured) {
        holeLost();
      } else if (atHead) {
        int next = header(chunk.data, off, captured, false);
        left -= next - off;
        off = next;
        keep = type == Http2Syntax.DATA ? Math.min(length, Http2Place.DATA_KEPT) : length;
      } else if (keep > 0) {
        int n = (int) Math.min(Math.min(keep, captured - off), left);
        keep -= n;
        left -= n;
        if (state == State.PREFACE) {
          preface(n);
        } else {
          payload(chunk.data, off, n);
        }
        off += n;
      } else {
        long n = Math.min(left, remaining);
        left -= n;
        payloadHole(n);
      }
    }
    if (state == State.HEADER && headerLength > 0) {
      headerCut();
    }
  }

  private boolean isAt(Http2Place place) {
    return switch (state) {
      case PREFACE -> place.left == prefaceLeft;
      case HEADER -> place.left == 0 && place.headLength == headerLength && !guessed;
      case PAYLOAD -> place.left == remaining && !guessed;
      case LOST -> false;
    };
  }

  /** Frames were missed. What there is of the current one is passed over. */
  private void goTo(Http2Place place) {
    if (state != State.LOST) {
      lose();
    }
    counters.resynchronised.increment();
    headerLength = place.headLength;
    System.arraycopy(place.head, 0, header, 0, headerLength);
    state = State.HEADER;
    found();
    if (place.left > 0) {
      type = UNSEEN;
      stream = 0;
      remaining = place.left;
      keepLimit = 0;
      state = State.PAYLOAD;
    }
  }

  private void prefix(Chunk chunk) {
    int captured = chunk.captured();
    long beyond = chunk.totalLength - captured;
    if (guessed
        && state == State.PAYLOAD
        && Http2Syntax.starts(chunk.data, 0, captured, beyond, true, this::likelyStream)) {
      // It should be the middle of a frame, so the one guessed last was shorter.
      state = State.HEADER;
    }
    feed(chunk.data, 0, captured, beyond, true);
    long hole = chunk.hole();
    if (hole > 0) {
      skip(hole);
    }
    int tail = chunk.tailBeyond();
    if (tail > 0) {
      feed(chunk.tail, chunk.validTail() - tail, chunk.validTail(), 0, false);
    }
    if (state == State.HEADER) {
      if (headerLength > 0) {
        headerCut();
      } else if (guessed && messageDone) {
        proven(stream);
      }
    }
  }

  private void feed(byte[] data, int from, int to, long beyond, boolean chunkStart) {
    int off = from;
    while (off < to) {
      switch (state) {
        case PREFACE -> {
          int n = Math.min(prefaceLeft, to - off);
          off += n;
          preface(n);
        }
        case HEADER -> off = header(data, off, to, chunkStart && off == from);
        case PAYLOAD -> {
          int n = Math.min(remaining, to - off);
          payload(data, off, n);
          off += n;
        }
        case LOST -> {
          boolean first = chunkStart && off == from;
          int at = Http2Syntax.find(data, off, to, beyond, first, this::likelyStream);
          if (at < 0) {
            return;
          }
          counters.resynchronised.increment();
          state = State.HEADER;
          found();
          off = at;
        }
      }
    }
  }

  private int header(byte[] data, int from, int to, boolean chunkStart) {
    boolean anywhere = chunkStart && headerLength == 0;
    int n = Math.min(Http2Syntax.HEADER - headerLength, to - from);
    System.arraycopy(data, from, header, headerLength, n);
    headerLength += n;
    if (headerLength < Http2Syntax.HEADER) {
      return from + n;
    }
    headerLength = 0;
    int nextType = header[3] & 0xff;
    int nextStream = Http2Syntax.stream(header, 0);
    int nextLength = Http2Syntax.length(header, 0);
    if (guessed && !Http2Syntax.likely(header, 0, this::likelyStream)) {
      holeLost();
      return from;
    }
    if (!Http2Syntax.legal(nextType, nextStream, nextLength) || !expected(nextType, nextStream)) {
      counters.parseErrors.increment();
      lose();
      return from;
    }
    if (guessed && !anywhere) {
      proven(0);
    }
    guessed = false;
    if (nextType == Http2Syntax.DATA) {
      boolean last = nextLength < largest || (header[4] & Http2Syntax.END_STREAM) != 0;
      if (last && nextLength == messageLeft(nextStream)) {
        // The rest of the message, if all that was guessed of it is right.
        proven(nextStream);
      }
      largest = Math.max(largest, nextLength);
    }
    begin(nextType, header[4] & 0xff, nextStream, nextLength);
    return from + n;
  }

  private void begin(int newType, int newFlags, int newStream, int newLength) {
    type = newType;
    flags = newFlags;
    stream = newStream;
    length = newLength;
    remaining = newLength;
    keepLimit =
        switch (type) {
          case Http2Syntax.HEADERS, Http2Syntax.PUSH_PROMISE, Http2Syntax.CONTINUATION -> MAX_KEPT;
          case Http2Syntax.RST_STREAM, Http2Syntax.GOAWAY -> 8;
          default -> 0;
        };
    keptLength = 0;
    cut = false;
    state = State.PAYLOAD;
    frameBegin(type, stream, length);
    bytes(type, stream, Http2Syntax.HEADER);
    if (length == 0) {
      end();
    }
  }

  private void preface(int n) {
    prefaceLeft -= n;
    if (prefaceLeft == 0) {
      state = State.HEADER;
    }
  }

  private void payload(byte[] data, int from, int n) {
    keep(data, from, n);
    if (type == Http2Syntax.DATA) {
      data(stream, flags, data, from, n);
    }
    payload(n);
  }

  /** Payload that was not captured. */
  private void payloadHole(long n) {
    cut |= keepLimit > 0;
    if (type == Http2Syntax.DATA) {
      data(stream, flags, null, 0, n);
    }
    payload(n);
  }

  private void payload(long n) {
    remaining -= (int) n;
    bytes(type, stream, n);
    if (remaining == 0) {
      end();
    }
  }

  private void end() {
    state = State.HEADER;
    messageDone = type == Http2Syntax.DATA && messageLeft(stream) == 0;
    frameEnd(type, flags, stream, length, kept, keptLength, cut, guessed);
    dropKept();
  }

  private void keep(byte[] data, int from, int n) {
    int room = keepLimit - keptLength;
    int most = cut ? 0 : Math.min(n, room);
    if (most > 0) {
      if (keptLength + most > kept.length) {
        kept = Arrays.copyOf(kept, Math.min(keepLimit, Math.max(2 * kept.length, length)));
        if (kept.length < keptLength + most) {
          kept = Arrays.copyOf(kept, keptLength + most);
        }
      }
      System.arraycopy(data, from, kept, keptLength, most);
      keptLength += most;
    }
    cut |= most < n && keepLimit == MAX_KEPT;
  }

  private void dropKept() {
    if (kept.length > 1024) {
      kept = NONE;
    }
    keptLength = 0;
  }

  private void skip(long n) {
    long left = n;
    while (left > 0) {
      switch (state) {
        case PREFACE -> holeLost();
        case HEADER -> {
          if (!guessNext(left)) {
            holeLost();
          } else {
            left -= Http2Syntax.HEADER;
            left -= wholeFrames(left);
          }
        }
        case PAYLOAD -> {
          long take = Math.min(left, remaining);
          left -= take;
          payloadHole(take);
        }
        case LOST -> {
          return;
        }
      }
    }
  }

  /** Takes the frame whose header is in a hole for another one like the last. */
  private boolean guessNext(long hole) {
    // type and so on are still those of the last frame.
    if (headerLength > 0
        || hole < Http2Syntax.HEADER
        || type != Http2Syntax.DATA
        || largest < MIN_GUESS
        || !likelyStream(stream)) {
      return false;
    }
    long left = messageLeft(stream);
    if (left <= 0 && length < largest) {
      return false;
    }
    int next = left > 0 ? (int) Math.min(left, largest) : largest;
    guess(stream);
    guessed = true;
    begin(Http2Syntax.DATA, 0, stream, next);
    return true;
  }

  /** Steps over all but the last of many guessed frames at once, however large the hole is. */
  private long wholeFrames(long hole) {
    long left = messageLeft(stream);
    long most = left > 0 ? Math.min(hole, left) : hole;
    long frame = length + (long) Http2Syntax.HEADER;
    long frames = Math.max(0, most - length) / frame;
    if (frames > 0) {
      data(stream, flags, null, 0, frames * length);
      bytes(type, stream, frames * frame);
    }
    return frames * frame;
  }

  private void holeLost() {
    counters.truncatedMessages.increment();
    lose();
  }
}
