package dev.underspan.bridge.wire;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Captures one direction of HTTP/2 by its frames, see {@link Http2Place}: what the kernel's
 * programs do with a socket's bytes, for bytes that pass in Java. Not thread-safe.
 */
public final class Http2Capture {
  private static final int MOST = 256 * 1024;
  private static final int BEGINS = 8;

  private final Http2Place place = new Http2Place();
  private boolean broken;
  private byte[] into = new byte[0];
  private int length;

  private Http2Capture() {}

  /** Bytes that need not be in one piece. */
  public interface Source {
    /** Copies some, from an offset on. */
    void get(int from, byte[] into, int at, int count);
  }

  /** To begin with the first bytes of a direction; null if these are not HTTP/2's. */
  public static @Nullable Http2Capture begin(Source source, int total) {
    byte[] first = new byte[Http2Syntax.HEADER];
    if (total < first.length) {
      return null;
    }
    source.get(0, first, 0, first.length);
    Http2Capture capture = new Http2Capture();
    if (Http2Syntax.preface(first, BEGINS) == Match.MAYBE) {
      capture.place.left = Http2Syntax.PREFACE_LENGTH;
      capture.place.keep = Http2Syntax.PREFACE_LENGTH;
      return capture;
    }
    return Http2Syntax.beginsAnswers(first) ? capture : null;
  }

  /** Where it stands. */
  public Http2Place place() {
    Http2Place copy = new Http2Place();
    copy.set(place);
    return copy;
  }

  /** Whether there was something that is no frame: nothing more can be captured. */
  public boolean isBroken() {
    return broken;
  }

  /** How much the last {@link #capture} has captured. */
  public int length() {
    return length;
  }

  /**
   * Captures what comes next.
   *
   * @param room where to; if it is too small, another array is made
   * @return where it is
   */
  public byte[] capture(Source source, int total, byte[] room) {
    into = room;
    length = 0;
    boolean full = false;
    int at = 0;
    while (at < total && !broken) {
      int n;
      if (place.left == 0) {
        n = Math.min(Http2Syntax.HEADER - place.headLength, total - at);
        source.get(at, place.head, place.headLength, n);
        full = full || !keep(source, at, n);
        place.headLength += n;
        if (place.headLength == Http2Syntax.HEADER) {
          beginFrame();
        }
      } else if (place.keep > 0) {
        n = Math.min(place.keep, total - at);
        full = full || !keep(source, at, n);
        place.keep -= n;
        place.left -= n;
      } else {
        n = Math.min(place.left, total - at);
        place.left -= n;
      }
      at += n;
    }
    byte[] captured = into;
    into = room;
    return captured;
  }

  private void beginFrame() {
    place.headLength = 0;
    place.left = Http2Syntax.length(place.head, 0);
    place.keep =
        place.head[3] == Http2Syntax.DATA ? Math.min(place.left, Http2Place.DATA_KEPT) : place.left;
    broken = place.left > Http2Syntax.MAX_FRAME;
  }

  private boolean keep(Source source, int from, int count) {
    if (length + count > MOST) {
      return false;
    }
    if (length + count > into.length) {
      into = Arrays.copyOf(into, Math.max(2 * into.length, length + count));
    }
    source.get(from, into, length, count);
    length += count;
    return true;
  }
}
