package dev.underspan.abi;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The ledger: {@link Layout#LEDGER_SLOTS} slots of {@link Layout.Slot#SIZE} bytes in memory that
 * the kernel's programs write too. Java writes the head (which span is current), the kernel the
 * account.
 *
 * <p>No method allocates, locks or makes a system call. A slot index comes from enrolment; the
 * methods do not check it beyond the buffer's own bounds.
 *
 * <p>Memory order: the head's writer is the slot's own thread, and the kernel reads it in programs
 * that run on that same thread, so plain stores in program order suffice; {@code valid} is cleared
 * first and set last with release semantics for readers on other threads. The account carries a
 * sequence number, odd while the kernel writes.
 */
public final class Ledger {
  /** Length of a copy of an account: one long a kind, nanoseconds, in the order of the kinds. */
  public static final int KINDS = Layout.LEDGER_KINDS;

  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());
  private static final VarHandle LONG_BIG_ENDIAN =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
  private static final VarHandle INT =
      MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.nativeOrder());

  private static final VarHandle SHORT =
      MethodHandles.byteBufferViewVarHandle(short[].class, ByteOrder.nativeOrder());

  private final ByteBuffer memory;

  /**
   * A ledger over mapped memory.
   *
   * @param memory a direct buffer of LEDGER_SLOTS * Slot.SIZE bytes
   */
  public Ledger(ByteBuffer memory) {
    if (memory.capacity() < Layout.LEDGER_SLOTS * Layout.Slot.SIZE) {
      throw new IllegalArgumentException(
          "a ledger needs more than " + memory.capacity() + " bytes");
    }
    this.memory = memory;
  }

  private static int at(int slot) {
    return slot * Layout.Slot.SIZE;
  }

  /**
   * Makes a span current on the slot's thread; ids and flags as in the W3C trace context.
   *
   * @param virtual whether it is current on a virtual thread that the slot's thread carries
   */
  public void setHead(
      int slot, long traceIdHigh, long traceIdLow, long spanId, byte flags, boolean virtual) {
    int head = at(slot) + Layout.Slot.HEAD;
    memory.put(head + Layout.TraceHead.VALID, (byte) 0);
    VarHandle.storeStoreFence();
    LONG_BIG_ENDIAN.set(memory, head + Layout.TraceHead.TRACE_ID, traceIdHigh);
    LONG_BIG_ENDIAN.set(memory, head + Layout.TraceHead.TRACE_ID + 8, traceIdLow);
    LONG_BIG_ENDIAN.set(memory, head + Layout.TraceHead.SPAN_ID, spanId);
    memory.put(head + Layout.TraceHead.FLAGS, flags);
    memory.put(head + Layout.TraceHead.VIRTUAL_THREAD, (byte) (virtual ? 1 : 0));
    VarHandle.storeStoreFence();
    memory.put(head + Layout.TraceHead.VALID, (byte) 1);
  }

  /** No span is current on the slot's thread any more. */
  public void clearHead(int slot) {
    memory.put(at(slot) + Layout.Slot.HEAD + Layout.TraceHead.VALID, (byte) 0);
  }

  /** The next thread that the slot's thread starts begins with a copy of its head. */
  public void inheritHead(int slot) {
    memory.put(at(slot) + Layout.Slot.HEAD + Layout.TraceHead.INHERIT, (byte) 1);
  }

  /** How often the slot has changed hands. */
  public int generation(int slot) {
    return (int) INT.getVolatile(memory, at(slot) + Layout.Slot.GENERATION);
  }

  /** Number of times the kernel switched the slot's thread out. */
  public long switches(int slot) {
    return (long)
        LONG.getVolatile(memory, at(slot) + Layout.Slot.ACCOUNT + Layout.Account.SWITCHES);
  }

  /**
   * Copies the account of a slot with the open interval closed at {@code now}.
   *
   * @param into at least KINDS long, nanoseconds by kind
   * @param now System.nanoTime() (CLOCK_MONOTONIC, which is what the kernel's programs use)
   */
  public void read(int slot, long[] into, long now) {
    int account = at(slot) + Layout.Slot.ACCOUNT;
    while (true) {
      int before = (int) INT.getVolatile(memory, account + Layout.Account.SEQ);
      int state = (int) INT.get(memory, account + Layout.Account.STATE);
      long last = (long) LONG.get(memory, account + Layout.Account.LAST_NS);
      for (int kind = 0; kind < KINDS; kind++) {
        into[kind] = (long) LONG.get(memory, account + Layout.Account.NS + 8 * kind);
      }
      VarHandle.loadLoadFence();
      if ((before & 1) == 0
          && before == (int) INT.getVolatile(memory, account + Layout.Account.SEQ)) {
        if (state >= 0 && state < KINDS && now > last) {
          into[state] += now - last;
        }
        return;
      }
      Thread.onSpinWait();
    }
  }

  /**
   * Copies the account of the calling thread's own slot, closed at a moment taken within: a moment
   * taken before would miss that the thread may be switched out in between.
   *
   * @param into at least KINDS long, nanoseconds by kind
   * @return that moment, System.nanoTime()
   */
  public long readNow(int slot, long[] into) {
    int account = at(slot) + Layout.Slot.ACCOUNT;
    while (true) {
      int before = (int) INT.getVolatile(memory, account + Layout.Account.SEQ);
      long now = System.nanoTime();
      read(slot, into, now);
      if (before == (int) INT.getVolatile(memory, account + Layout.Account.SEQ)) {
        return now;
      }
    }
  }

  /**
   * The latest request that the slot's thread began to read from a connection that the process
   * accepted, or that was open before the programs were attached. To be called by the slot's own
   * thread.
   *
   * @return false when the thread has read none yet
   */
  public boolean readRequest(int slot, ServerRequest into) {
    int request = at(slot) + Layout.Slot.REQUEST;
    into.number = (long) LONG.getVolatile(memory, request + Layout.ServerRequest.NUMBER);
    if (into.number == 0) {
      return false;
    }
    into.cookie = (long) LONG.get(memory, request + Layout.ServerRequest.COOKIE);
    into.establishedNs = (long) LONG.get(memory, request + Layout.ServerRequest.ESTABLISHED_NS);
    into.arrivalNs = (long) LONG.get(memory, request + Layout.ServerRequest.ARRIVAL_NS);
    into.readNs = (long) LONG.get(memory, request + Layout.ServerRequest.READ_NS);
    into.bytesIn = (long) LONG.get(memory, request + Layout.ServerRequest.BYTES_IN);
    into.rttMicros = (int) INT.get(memory, request + Layout.ServerRequest.RTT_US);
    into.retransmits = (int) INT.get(memory, request + Layout.ServerRequest.RETRANSMITS);
    into.localPort = unsignedShort(request + Layout.ServerRequest.LOCAL_PORT);
    into.remotePort = unsignedShort(request + Layout.ServerRequest.REMOTE_PORT);
    for (int kind = 0; kind < KINDS; kind++) {
      into.account[kind] = (long) LONG.get(memory, request + Layout.ServerRequest.NS + 8 * kind);
    }
    return true;
  }

  private int unsignedShort(int at) {
    return Short.toUnsignedInt((short) SHORT.get(memory, at));
  }
}
