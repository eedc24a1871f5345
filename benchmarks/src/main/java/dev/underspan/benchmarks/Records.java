package dev.underspan.benchmarks;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Records of socket events as the kernel writes them (struct socket_event). */
final class Records {
  private final ByteBuffer buffer =
      ByteBuffer.allocateDirect(1 << 16).order(ByteOrder.nativeOrder());
  private int end;

  /** Where the records are. */
  ByteBuffer buffer() {
    return buffer;
  }

  /**
   * Adds one of a client's connection, by a thread under a span.
   *
   * @return its place
   */
  int add(int type, long cookie, int remotePort, String payload) {
    byte[] bytes = WireBenchmark.bytes(payload);
    int room = bytes.length <= Layout.PAYLOAD_SMALL ? Layout.PAYLOAD_SMALL : Layout.PAYLOAD_MEDIUM;
    int at = end;
    end += (Layout.SocketEvent.SIZE + room + 7) & -8;
    long now = System.nanoTime();
    int header = at + Layout.SocketEvent.HEADER;
    buffer.putShort(header + Layout.EventHeader.TYPE, (short) type);
    buffer.putShort(header + Layout.EventHeader.SIZE_CLASS, (short) room);
    buffer.putInt(header + Layout.EventHeader.TID, 4711);
    buffer.putLong(header + Layout.EventHeader.NS, now);
    buffer.putLong(at + Layout.SocketEvent.COOKIE, cookie);
    buffer.putLong(at + Layout.SocketEvent.THREAD, 12);
    int endpoint = at + Layout.SocketEvent.ENDPOINT;
    buffer.putShort(endpoint + Layout.Endpoint.FAMILY, (short) 2);
    buffer.putShort(endpoint + Layout.Endpoint.LOCAL_PORT, (short) 40001);
    buffer.putShort(endpoint + Layout.Endpoint.REMOTE_PORT, (short) remotePort);
    buffer.putShort(endpoint + Layout.Endpoint.ROLE, (short) Layout.ROLE_CLIENT);
    buffer.put(endpoint + Layout.Endpoint.LOCAL_ADDR, new byte[] {127, 0, 0, 1});
    buffer.put(endpoint + Layout.Endpoint.REMOTE_ADDR, new byte[] {127, 0, 0, 1});
    int head = at + Layout.SocketEvent.HEAD;
    for (int i = 0; i < 24; i++) {
      buffer.put(head + Layout.TraceHead.TRACE_ID + i, (byte) (i + 1));
    }
    buffer.put(head + Layout.TraceHead.VALID, (byte) 1);
    buffer.put(head + Layout.TraceHead.FLAGS, (byte) 1);
    buffer.putLong(at + Layout.SocketEvent.BEGIN_NS, now - 1000);
    buffer.putInt(at + Layout.SocketEvent.RTT_US, 20);
    buffer.putInt(at + Layout.SocketEvent.TOTAL, bytes.length);
    buffer.putInt(at + Layout.SocketEvent.CAPTURED, bytes.length);
    for (int kind = 0; kind < Ledger.KINDS; kind++) {
      buffer.putLong(at + Layout.SocketEvent.NS + 8 * kind, 1000L * kind);
    }
    buffer.put(at + Layout.SocketEvent.SIZE, bytes);
    return at;
  }
}
