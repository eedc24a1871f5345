package dev.underspan.abi;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A view of one record of the ring buffer (struct socket_event). Reused from record to record;
 * valid only until the reader moves on. Times are CLOCK_MONOTONIC nanoseconds.
 */
public final class SocketEvent {
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());
  private static final int BY_WORDS = 512;

  private ByteBuffer buffer = ByteBuffer.allocate(0);
  private int base;

  /** Points the view at a record. */
  public SocketEvent wrap(ByteBuffer nativeOrderBuffer, int offset) {
    if (nativeOrderBuffer.order() != ByteOrder.nativeOrder()) {
      throw new IllegalArgumentException("records are in native byte order");
    }
    buffer = nativeOrderBuffer;
    base = offset;
    return this;
  }

  /** One of {@code EVENT_*} of {@link Layout}. */
  public int type() {
    return buffer.getShort(base + Layout.SocketEvent.HEADER + Layout.EventHeader.TYPE);
  }

  /** Whether it tells of bytes that were sent, plaintext or not; else received, or none. */
  public boolean isSent() {
    int type = type();
    return type == Layout.EVENT_SENT || type == Layout.EVENT_PLAIN_SENT;
  }

  /** Where the record ends in the stream of its direction: what that has moved by then, bytes. */
  public long end() {
    return isSent() ? bytesOut() : bytesIn();
  }

  /** Thread id as the kernel knows it. */
  public int tid() {
    return buffer.getInt(base + Layout.SocketEvent.HEADER + Layout.EventHeader.TID);
  }

  /** When the call had moved its bytes. */
  public long ns() {
    return buffer.getLong(base + Layout.SocketEvent.HEADER + Layout.EventHeader.NS);
  }

  /** The kernel's cookie of the connection. */
  public long cookie() {
    return buffer.getLong(base + Layout.SocketEvent.COOKIE);
  }

  /** Sent: when the first segment left. Received: when the first byte arrived, 0 if not seen. */
  public long beginNs() {
    return buffer.getLong(base + Layout.SocketEvent.BEGIN_NS);
  }

  /** When connect() was called; 0 for accepted connections or if not seen. */
  public long connectNs() {
    return buffer.getLong(base + Layout.SocketEvent.CONNECT_NS);
  }

  /** When the handshake was complete; 0 if not seen. */
  public long establishedNs() {
    return buffer.getLong(base + Layout.SocketEvent.ESTABLISHED_NS);
  }

  /** Smoothed round-trip time, microseconds. */
  public int rttMicros() {
    return buffer.getInt(base + Layout.SocketEvent.RTT_US);
  }

  /** Segments retransmitted on this connection so far. */
  public int retransmits() {
    return buffer.getInt(base + Layout.SocketEvent.RETRANSMITS);
  }

  /**
   * Bytes that were received since the connection is watched, up to the end of this record; those
   * that no record tells of are in it. Of plaintext: since its session is known.
   */
  public long bytesIn() {
    return buffer.getLong(base + Layout.SocketEvent.BYTES_IN);
  }

  /** The same, of bytes that were sent. */
  public long bytesOut() {
    return buffer.getLong(base + Layout.SocketEvent.BYTES_OUT);
  }

  /** Bytes that the call moved. */
  public int total() {
    return buffer.getInt(base + Layout.SocketEvent.TOTAL);
  }

  /** Bytes of payload captured: a prefix of what was moved, but see {@link #isFramed()}. */
  public int captured() {
    return Math.min(
        buffer.getInt(base + Layout.SocketEvent.CAPTURED),
        Short.toUnsignedInt(
            buffer.getShort(base + Layout.SocketEvent.HEADER + Layout.EventHeader.SIZE_CLASS)));
  }

  /** Whether this is ciphertext whose plaintext follows as an EVENT_PLAIN_*. */
  public boolean isSecured() {
    return buffer.getInt(base + Layout.SocketEvent.SECURED) != 0;
  }

  /** The first captured byte; -1 if there is none. */
  public int firstByte() {
    return captured() == 0 ? -1 : buffer.get(base + Layout.SocketEvent.SIZE) & 0xff;
  }

  /** Copies the captured payload. */
  public void payload(byte[] into) {
    int length = captured();
    int from = base + Layout.SocketEvent.SIZE;
    int at = 0;
    // A bulk copy out of memory that is not Java's costs more than this, up to some hundred bytes.
    for (int end = Math.min(length, BY_WORDS) - Long.BYTES; at <= end; at += Long.BYTES) {
      LONG.set(into, at, buffer.getLong(from + at));
    }
    if (length > BY_WORDS) {
      buffer.get(from + at, into, at, length - at);
    } else {
      for (; at < length; at++) {
        into[at] = buffer.get(from + at);
      }
    }
  }

  /** The last bytes that the call moved, when the payload was cut; empty if not known. */
  public byte[] tail() {
    int size = Math.min(buffer.getInt(base + Layout.SocketEvent.TAIL_SIZE), Layout.TAIL_BYTES);
    byte[] tail = new byte[Math.max(size, 0)];
    buffer.get(base + Layout.SocketEvent.TAIL, tail);
    return tail;
  }

  /** Whether what is captured follows the frames of HTTP/2, see struct http2_place. */
  public boolean isFramed() {
    return buffer.get(place(Layout.Http2Place.KNOWN)) != 0;
  }

  /** Bytes to come, before this call, of the current frame's payload or of the preface. */
  public int frameLeft() {
    return buffer.getInt(place(Layout.Http2Place.LEFT));
  }

  /** How many of them are captured, from the first on. */
  public int frameKeep() {
    return buffer.getInt(place(Layout.Http2Place.KEEP));
  }

  /** Copies what came, before this call, of the next frame's head. */
  public int frameHead(byte[] into) {
    int length = buffer.get(place(Layout.Http2Place.HEAD_LENGTH));
    buffer.get(place(Layout.Http2Place.HEAD), into, 0, Math.min(length, into.length));
    return length;
  }

  private int place(int field) {
    return base + Layout.SocketEvent.HTTP2 + field;
  }

  /** ROLE_CLIENT, ROLE_SERVER or ROLE_UNKNOWN (open before the programs were attached). */
  public int role() {
    return endpointShort(Layout.Endpoint.ROLE);
  }

  /** Our port. */
  public int localPort() {
    return endpointShort(Layout.Endpoint.LOCAL_PORT);
  }

  /** The peer's port. */
  public int remotePort() {
    return endpointShort(Layout.Endpoint.REMOTE_PORT);
  }

  /** Our address as text; an IPv4 address mapped into IPv6 is given as IPv4. */
  public String localAddress() {
    return address(Layout.Endpoint.LOCAL_ADDR);
  }

  /** The peer's address as text. */
  public String remoteAddress() {
    return address(Layout.Endpoint.REMOTE_ADDR);
  }

  /** Whether a span was current on the thread. */
  public boolean hasHead() {
    return buffer.get(base + Layout.SocketEvent.HEAD + Layout.TraceHead.VALID) == 1;
  }

  /** Upper half of the trace id. */
  public long traceIdHigh() {
    return bigEndian(Layout.TraceHead.TRACE_ID);
  }

  /** Lower half of the trace id. */
  public long traceIdLow() {
    return bigEndian(Layout.TraceHead.TRACE_ID + 8);
  }

  /** The current span's id. */
  public long spanId() {
    return bigEndian(Layout.TraceHead.SPAN_ID);
  }

  /** W3C trace flags. */
  public byte traceFlags() {
    return buffer.get(base + Layout.SocketEvent.HEAD + Layout.TraceHead.FLAGS);
  }

  /** Whose account it is, as {@link Ledger#thread} names threads; 0: nobody's. */
  public long thread() {
    return buffer.getLong(base + Layout.SocketEvent.THREAD);
  }

  /** Copies the thread's account at {@link #ns()}. */
  public void account(long[] into) {
    for (int kind = 0; kind < Ledger.KINDS; kind++) {
      into[kind] = buffer.getLong(base + Layout.SocketEvent.NS + 8 * kind);
    }
  }

  private int endpointShort(int field) {
    return Short.toUnsignedInt(buffer.getShort(base + Layout.SocketEvent.ENDPOINT + field));
  }

  private long bigEndian(int field) {
    long value = buffer.getLong(base + Layout.SocketEvent.HEAD + field);
    return ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN ? value : Long.reverseBytes(value);
  }

  private String address(int field) {
    boolean ipv4 = endpointShort(Layout.Endpoint.FAMILY) == 2;
    byte[] bytes = new byte[ipv4 ? 4 : 16];
    buffer.get(base + Layout.SocketEvent.ENDPOINT + field, bytes);
    try {
      // Gives an Inet4Address for a mapped one.
      return InetAddress.getByAddress(bytes).getHostAddress();
    } catch (UnknownHostException e) {
      throw new IllegalStateException(e); // only for another length
    }
  }
}
