package dev.underspan.bridge.wire;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One send or receive call on a socket: how many bytes it moved and a bounded prefix of them.
 *
 * <p>A mutable flyweight: {@link WireConnection#onChunk} copies what it needs before it returns, so
 * one instance and its arrays may be refilled for the next event. Times are CLOCK_MONOTONIC
 * nanoseconds.
 */
public final class Chunk {
  private static final byte[] NONE = new byte[0];

  /** Which way the bytes went. */
  public Direction direction = Direction.SENT;

  /** When the send began, or when the read happened. */
  public long timeNs;

  /** For received bytes: when the first of them reached the socket; 0 = unknown. */
  public long arrivalNs;

  /** Bytes moved by the call; may exceed {@link #length}. */
  public long totalLength;

  /** The first {@link #length} bytes of the call. */
  public byte[] data = NONE;

  /** How many bytes of {@link #data} are valid. */
  public int length;

  /** The last {@link #tailLength} (at most 16) bytes of the call, if it was truncated. */
  public byte[] tail = NONE;

  /** How many bytes of {@link #tail} are valid; 0 = no tail. */
  public int tailLength;

  /** Where HTTP/2 stood before, if what is captured follows its frames; null: it is a prefix. */
  public @Nullable Http2Place place;

  /** The span current on the calling thread, if any. */
  public @Nullable TraceHead head;

  /** An opaque value handed back with the call. */
  public @Nullable Object account;

  /** Smoothed round trip time of the connection, microseconds. */
  public int rttMicros;

  /** Retransmitted segments of the connection so far. */
  public int retransmits;

  /** Creates an empty chunk. */
  public Chunk() {}

  /** The usable prefix length, whatever the fields claim. */
  int captured() {
    return (int) Math.max(0, Math.min(Math.min(length, data.length), totalLength));
  }

  /** How many tail bytes lie beyond the prefix. */
  int tailBeyond() {
    return (int) Math.max(0, Math.min(validTail(), totalLength - captured()));
  }

  int validTail() {
    return Math.min(tailLength, tail.length);
  }

  /** Bytes of the call that nobody saw: after the prefix, before the tail. */
  long hole() {
    return Math.max(0, totalLength - captured() - tailBeyond());
  }

  /** A copy without the first bytes, of which there must be so many captured. */
  Chunk from(int offset) {
    Chunk c = copy();
    c.data = Arrays.copyOfRange(data, offset, c.length);
    c.length -= offset;
    c.place = null;
    c.totalLength -= offset;
    return c;
  }

  Chunk copy() {
    Chunk c = new Chunk();
    c.direction = direction;
    c.timeNs = timeNs;
    c.arrivalNs = arrivalNs;
    c.totalLength = totalLength;
    c.length = captured();
    c.data = Arrays.copyOf(data, c.length);
    c.tailLength = Math.max(0, validTail());
    c.tail = Arrays.copyOf(tail, c.tailLength);
    Http2Place before = place;
    if (before != null) {
      c.place = new Http2Place();
      c.place.set(before);
    }
    c.head = head;
    c.account = account;
    c.rttMicros = rttMicros;
    c.retransmits = retransmits;
    return c;
  }
}
