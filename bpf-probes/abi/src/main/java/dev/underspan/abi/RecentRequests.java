package dev.underspan.abi;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The latest request of each connection that the process accepted, for a thread that handles one
 * that another has read: written by the kernel's programs in mapped memory, found by the client's
 * port. Of connections whose ports share a place the latest stands there.
 */
public final class RecentRequests {
  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());
  private static final VarHandle INT =
      MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.nativeOrder());
  private static final VarHandle SHORT =
      MethodHandles.byteBufferViewVarHandle(short[].class, ByteOrder.nativeOrder());

  /** A place that changes all the time is not worth waiting for. */
  private static final int TRIES = 100;

  private final ByteBuffer memory;

  /**
   * A view.
   *
   * @param memory a direct buffer of RECENT_REQUESTS times RecentRequest.SIZE bytes at least
   */
  public RecentRequests(ByteBuffer memory) {
    if (memory.capacity() < Layout.RECENT_REQUESTS * Layout.RecentRequest.SIZE) {
      throw new IllegalArgumentException("too small: " + memory.capacity());
    }
    this.memory = memory;
  }

  /**
   * Finds the latest request of a connection.
   *
   * @param localPort 0 if unknown
   * @param into all but its thread and account, which are cleared
   * @return false when it is not known
   */
  public boolean find(int localPort, int remotePort, ServerRequest into) {
    int at = (remotePort & (Layout.RECENT_REQUESTS - 1)) * Layout.RecentRequest.SIZE;
    for (int i = 0; i < TRIES; i++) {
      int before = (int) INT.getVolatile(memory, at + Layout.RecentRequest.SEQ);
      into.localPort = port(at + Layout.RecentRequest.LOCAL_PORT);
      into.remotePort = port(at + Layout.RecentRequest.REMOTE_PORT);
      into.cookie = (long) LONG.get(memory, at + Layout.RecentRequest.COOKIE);
      into.number = (long) LONG.get(memory, at + Layout.RecentRequest.NUMBER);
      into.establishedNs = (long) LONG.get(memory, at + Layout.RecentRequest.ESTABLISHED_NS);
      into.arrivalNs = (long) LONG.get(memory, at + Layout.RecentRequest.ARRIVAL_NS);
      into.readNs = (long) LONG.get(memory, at + Layout.RecentRequest.READ_NS);
      into.bytesIn = (long) LONG.get(memory, at + Layout.RecentRequest.BYTES_IN);
      into.rttMicros = (int) INT.get(memory, at + Layout.RecentRequest.RTT_US);
      into.retransmits = (int) INT.get(memory, at + Layout.RecentRequest.RETRANSMITS);
      VarHandle.loadLoadFence();
      if ((before & 1) == 0
          && before == (int) INT.getVolatile(memory, at + Layout.RecentRequest.SEQ)) {
        into.thread = 0;
        return into.number != 0
            && (into.localPort == localPort || localPort == 0)
            && into.remotePort == remotePort;
      }
      Thread.onSpinWait();
    }
    return false;
  }

  private int port(int at) {
    return Short.toUnsignedInt((short) SHORT.get(memory, at));
  }
}
