package dev.underspan.bridge.wire;

import dev.underspan.abi.Layout;

/**
 * Where one direction of HTTP/2 stands before some bytes that were captured by its frames: of these
 * there is the preface, the heads of frames and their payload, but of DATA only the first {@link
 * #DATA_KEPT} bytes; and nothing any more behind the first that had no room. A mutable flyweight.
 */
public final class Http2Place {
  /** Bytes captured of a frame's DATA. */
  static final int DATA_KEPT = Layout.HTTP2_DATA_KEPT;

  /** Bytes to come of the current frame's payload, or of the preface. */
  public int left;

  /** So many of them, from the first on, are captured. */
  public int keep;

  /** The first bytes of the next frame's head. */
  public final byte[] head = new byte[Http2Syntax.HEADER];

  /** How many of them came already. */
  public int headLength;

  /** At a frame's head. */
  public Http2Place() {}

  void set(Http2Place other) {
    left = other.left;
    keep = other.keep;
    headLength = other.headLength;
    System.arraycopy(other.head, 0, head, 0, headLength);
  }
}
