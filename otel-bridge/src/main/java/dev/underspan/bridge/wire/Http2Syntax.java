package dev.underspan.bridge.wire;

import dev.underspan.abi.Layout;
import java.nio.charset.StandardCharsets;
import java.util.function.IntPredicate;

/** Frame headers and numbers of HTTP/2 (RFC 9113, 3.4, 4.1, 6 and 7). */
final class Http2Syntax {
  static final int HEADER = 9;

  static final int DATA = 0;
  static final int HEADERS = 1;
  static final int PRIORITY = 2;
  static final int RST_STREAM = 3;
  static final int SETTINGS = 4;
  static final int PUSH_PROMISE = 5;
  static final int PING = 6;
  static final int GOAWAY = 7;
  static final int WINDOW_UPDATE = 8;
  static final int CONTINUATION = 9;

  static final int END_STREAM = 0x1;
  static final int ACK = 0x1;
  static final int END_HEADERS = 0x4;
  static final int PADDED = 0x8;
  static final int WITH_PRIORITY = 0x20;

  /** What a client sends first. */
  private static final byte[] PREFACE =
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

  static final int PREFACE_LENGTH = PREFACE.length;

  // Enough of the preface that nothing else begins with it.
  private static final int PREFACE_TOLD = 14;
  // RFC 9113 would allow 16 MiB, but nobody asks for so much; garbage mostly does.
  static final int MAX_FRAME = Layout.HTTP2_LONGEST;
  private static final int MAX_CHAIN = 8;

  private static final int[] FLAGS = {
    END_STREAM | PADDED,
    END_STREAM | END_HEADERS | PADDED | WITH_PRIORITY,
    0,
    0,
    ACK,
    END_HEADERS | PADDED,
    ACK,
    0,
    0,
    END_HEADERS
  };

  private static final String[] ERRORS = {
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED"
  };

  private Http2Syntax() {}

  static Match preface(byte[] data, int length) {
    int n = Math.min(length, PREFACE_LENGTH);
    for (int i = 0; i < n; i++) {
      if (data[i] != PREFACE[i]) {
        return Match.NO;
      }
    }
    return n >= PREFACE_TOLD ? Match.YES : Match.MAYBE;
  }

  /** Whether it is a frame's head as a server sends it first: SETTINGS, of not too many. */
  static boolean beginsAnswers(byte[] head) {
    return length(head, 0) < 256
        && head[3] == SETTINGS
        && head[4] == 0
        && stream(head, 0) == 0
        && legal(SETTINGS, 0, length(head, 0));
  }

  /** Whether what a client sent, after we began to look, is a run of frames. */
  static Match midway(byte[] data, int length, boolean whole) {
    // What is beyond the captured bytes is not said, but frames may reach into it.
    return starts(data, 0, length, whole ? 0 : Long.MAX_VALUE, true, id -> (id & 1) == 1)
        ? Match.YES
        : Match.NO;
  }

  static int length(byte[] data, int at) {
    return (data[at] & 0xff) << 16 | (data[at + 1] & 0xff) << 8 | (data[at + 2] & 0xff);
  }

  static int stream(byte[] data, int at) {
    return number(data, at + 5) & Integer.MAX_VALUE;
  }

  static int number(byte[] data, int at) {
    return (data[at] & 0xff) << 24
        | (data[at + 1] & 0xff) << 16
        | (data[at + 2] & 0xff) << 8
        | (data[at + 3] & 0xff);
  }

  /** The name of an error code (RFC 9113, 7). */
  static String error(int code) {
    return code >= 0 && code < ERRORS.length ? ERRORS[code] : Integer.toUnsignedString(code);
  }

  /** Whether RFC 9113 allows such a frame. */
  static boolean legal(int type, int stream, int length) {
    if (length > MAX_FRAME) {
      return false;
    }
    return switch (type) {
      case DATA, HEADERS, CONTINUATION -> stream != 0;
      case PRIORITY -> stream != 0 && length == 5;
      case RST_STREAM -> stream != 0 && length == 4;
      case SETTINGS -> stream == 0 && length % 6 == 0;
      case PUSH_PROMISE -> stream != 0 && length >= 4;
      case PING -> stream == 0 && length == 8;
      case GOAWAY -> stream == 0 && length >= 8;
      case WINDOW_UPDATE -> length == 4;
      default -> true; // extensions are to be ignored
    };
  }

  /** Whether these nine bytes look like the header of a frame that is usual on such a stream. */
  static boolean likely(byte[] data, int at, IntPredicate streams) {
    int type = data[at + 3];
    int stream = number(data, at + 5);
    return type >= 0
        && type < FLAGS.length
        && type != PUSH_PROMISE
        && (data[at + 4] & ~FLAGS[type]) == 0
        && legal(type, stream, length(data, at))
        && (stream == 0 || (stream > 0 && streams.test(stream)));
  }

  /**
   * Whether a run of frames starts here: one that ends with the chunk, or one that is long enough.
   *
   * @param beyond bytes of the chunk after {@code to}
   * @param first whether the chunk starts here, where a frame often does
   */
  static boolean starts(
      byte[] data, int from, int to, long beyond, boolean first, IntPredicate streams) {
    long at = from;
    int frames = 0;
    while (at + HEADER <= to && frames < MAX_CHAIN) {
      boolean likely = likely(data, (int) at, streams);
      if (!likely || (frames == 0 && data[(int) at + 3] == CONTINUATION)) {
        return false;
      }
      frames++;
      at += HEADER + length(data, (int) at);
    }
    if (frames >= 2 || (frames == 1 && at == to && beyond == 0)) {
      return true;
    }
    // One long frame. Where the chunk starts and its stream is known that is no accident.
    return first && frames == 1 && beyond != Long.MAX_VALUE && stream(data, from) != 0;
  }

  /** Where a run of frames starts within a chunk whose start was lost; -1 = nowhere. */
  static int find(byte[] data, int from, int to, long beyond, boolean first, IntPredicate streams) {
    for (int i = from; i + HEADER <= to; i++) {
      if (starts(data, i, to, beyond, first && i == from, streams)) {
        return i;
      }
    }
    return -1;
  }
}
