package dev.underspan.abi;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The ledger: slots of {@link Layout.Slot#SIZE} bytes in memory that the kernel's programs write
 * too. Java writes the head (which span is current) and the identity (whose time it is), the kernel
 * the account. Slots count from 1; place 0 is for what is the process's.
 *
 * <p>No method allocates, locks or makes a system call. A slot index comes from enrolment; the
 * methods do not check it beyond the buffer's own bounds.
 *
 * <p>Memory order: the head's writer is the slot's own thread, and the kernel reads it in programs
 * that run on that same thread, so plain stores in program order suffice; {@code valid} is cleared
 * first and set last with release semantics for readers on other threads. The account carries a
 * sequence number, odd while the kernel writes, whose stores are seen in their order on each
 * processor: {@code turn()} in {@code arch.h}.
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

  private static final long STOP_ON = 1L << 63;

  /**
   * A writer takes some nanoseconds, or as long as a hypervisor keeps its processor from it. After
   * this long something is wrong with the number; who reads is an application's thread, and must go
   * on.
   */
  private static final long MAX_WAIT_NS = 500_000_000;

  private static final long GIVE_UP = -1;

  private final ByteBuffer memory;
  private final int slots;

  /**
   * A ledger over mapped memory.
   *
   * @param memory a direct buffer of Slot.SIZE bytes a slot, and as many for the process
   */
  public Ledger(ByteBuffer memory) {
    slots = memory.capacity() / Layout.Slot.SIZE - 1;
    if (slots < 1) {
      throw new IllegalArgumentException("too small for a ledger: " + memory.capacity());
    }
    this.memory = memory;
  }

  /** How many slots there are. */
  public int slots() {
    return slots;
  }

  /** How many of them were ever used: those from 1 to this. */
  public int used() {
    return Math.min((int) INT.getVolatile(memory, Layout.ProcessState.SLOT_CURSOR), slots);
  }

  private static int at(int slot) {
    return slot * Layout.Slot.SIZE;
  }

  /** Makes a span current on the slot's thread; ids and flags as in the W3C trace context. */
  public void setHead(int slot, long traceIdHigh, long traceIdLow, long spanId, byte flags) {
    int head = at(slot) + Layout.Slot.HEAD;
    memory.put(head + Layout.TraceHead.VALID, (byte) 0);
    VarHandle.storeStoreFence();
    LONG_BIG_ENDIAN.set(memory, head + Layout.TraceHead.TRACE_ID, traceIdHigh);
    LONG_BIG_ENDIAN.set(memory, head + Layout.TraceHead.TRACE_ID + 8, traceIdLow);
    LONG_BIG_ENDIAN.set(memory, head + Layout.TraceHead.SPAN_ID, spanId);
    memory.put(head + Layout.TraceHead.FLAGS, flags);
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

  /** Why the slot's thread is about to block, Layout.HINT_*; HINT_NONE when it is done. */
  public void setHint(int slot, byte hint) {
    memory.put(at(slot) + Layout.Slot.HEAD + Layout.TraceHead.WAIT_HINT, hint);
  }

  /** The latest {@link #setHint}. */
  public byte hint(int slot) {
    return memory.get(at(slot) + Layout.Slot.HEAD + Layout.TraceHead.WAIT_HINT);
  }

  /** Whether a span is current on the slot's thread. */
  public boolean hasHead(int slot) {
    return memory.get(at(slot) + Layout.Slot.HEAD + Layout.TraceHead.VALID) == 1;
  }

  /**
   * A virtual thread is mounted on the slot's thread: from now on the slot's account is that of the
   * virtual thread. By the slot's own thread, before {@link #setHead}.
   *
   * @param offset by kind, what to add to the carrier's account, nanoseconds; may be negative
   */
  public void setIdentity(int slot, long virtualThreadId, long[] offset) {
    int identity = at(slot) + Layout.Slot.IDENTITY;
    for (int kind = 0; kind < KINDS; kind++) {
      LONG.set(memory, identity + Layout.ThreadIdentity.OFFSET_NS + 8 * kind, offset[kind]);
    }
    LONG.setRelease(memory, identity + Layout.ThreadIdentity.ID, virtualThreadId);
  }

  /** The virtual thread is unmounted. */
  public void clearIdentity(int slot) {
    int identity = at(slot) + Layout.Slot.IDENTITY;
    LONG.set(memory, identity + Layout.ThreadIdentity.ID, 0L);
    VarHandle.storeStoreFence();
    for (int kind = 0; kind < KINDS; kind++) {
      LONG.set(memory, identity + Layout.ThreadIdentity.OFFSET_NS + 8 * kind, 0L);
    }
  }

  /**
   * Where a JavaThread keeps the monitor it waits on, and the one it wants to enter: offsets,
   * bytes; 0 for unknown.
   */
  public void setMonitors(int waiting, int pending) {
    INT.set(memory, Layout.ProcessState.PENDING_MONITOR, pending);
    INT.setRelease(memory, Layout.ProcessState.WAITING_MONITOR, waiting);
  }

  /** Whether somebody sleeps until there is an event; the programs wake them, and take it back. */
  public void setAwaited(boolean awaited) {
    INT.setVolatile(memory, Layout.ProcessState.AWAITED, awaited ? 1 : 0);
  }

  /** How often libraries were mapped or unmapped in the process so far. */
  public long libraries() {
    return (long) LONG.getVolatile(memory, Layout.ProcessState.LIBRARIES);
  }

  /**
   * One of the counters of what the programs saw and lost.
   *
   * @param counter its place, of Layout.LossCounters
   */
  public long counter(int counter) {
    return (long) LONG.getVolatile(memory, Layout.ProcessState.LOSSES + counter);
  }

  /**
   * The slot of a thread, by the id that the process itself knows it by: one that the kernel has
   * given it unasked.
   *
   * @return the slot, or -1 when it has none
   */
  public int find(int tid) {
    int found = -1;
    long latest = 0;
    for (int slot = 1, used = used(); slot <= used; slot++) {
      if ((int) INT.getVolatile(memory, at(slot) + Layout.Slot.OWNER) == tid) {
        // An end that the kernel kept from its programs leaves the id of a thread that is no more.
        long enrolled = (long) LONG.get(memory, at(slot) + Layout.Slot.ENROLLED_NS);
        if (found < 0 || enrolled > latest) {
          found = slot;
          latest = enrolled;
        }
      }
    }
    return found;
  }

  /** The slot's thread is one of the agent's own: it is not observed, nor are those it starts. */
  public void setAgent(int slot) {
    INT.set(memory, at(slot) + Layout.Slot.AGENT, 1);
  }

  /** Whether {@link #setAgent} was called for the slot's thread. */
  public boolean isAgent(int slot) {
    return (int) INT.getVolatile(memory, at(slot) + Layout.Slot.AGENT) == 1;
  }

  /** Where the JVM keeps the slot's thread (JavaThread), 0 if that is not known. */
  public void setJavaThread(int slot, long address) {
    LONG.set(memory, at(slot) + Layout.Slot.IDENTITY + Layout.ThreadIdentity.JAVA_THREAD, address);
  }

  /**
   * Names the thread whose account the slot has now: a virtual thread's id, else a number with bit
   * 63 set. Accounts with different names are not comparable.
   */
  public long thread(int slot) {
    long id =
        (long) LONG.getAcquire(memory, at(slot) + Layout.Slot.IDENTITY + Layout.ThreadIdentity.ID);
    return id != 0 ? id : STOP_ON | (long) generation(slot) << 32 | slot;
  }

  /** The kind that the slot's thread spends its time in at the moment. */
  public int state(int slot) {
    return memory.get(at(slot) + Layout.Slot.ACCOUNT + Layout.Account.STATE);
  }

  /** Since when, CLOCK_MONOTONIC nanoseconds. */
  public long stateSince(int slot) {
    return (long) LONG.getVolatile(memory, at(slot) + Layout.Slot.ACCOUNT + Layout.Account.LAST_NS);
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
   * Copies the account of the slot's thread, platform or virtual, with the open interval closed at
   * {@code now}.
   *
   * @param into at least KINDS long, nanoseconds by kind
   * @param now System.nanoTime() (CLOCK_MONOTONIC, which is what the kernel's programs use)
   */
  public void read(int slot, long[] into, long now) {
    int account = at(slot) + Layout.Slot.ACCOUNT;
    for (long since = 0; since != GIVE_UP; since = waited(since)) {
      int before = (int) INT.getVolatile(memory, account + Layout.Account.SEQ);
      copy(account, into, now);
      addOffset(slot, into);
      if (undisturbed(account, before)) {
        return;
      }
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
    long now = readCarrier(slot, into);
    addOffset(slot, into);
    return now;
  }

  /** {@link #readNow} of the platform thread itself, whichever virtual thread it carries. */
  public long readCarrier(int slot, long[] into) {
    int account = at(slot) + Layout.Slot.ACCOUNT;
    long now = 0;
    for (long since = 0; since != GIVE_UP; since = waited(since)) {
      int before = (int) INT.getVolatile(memory, account + Layout.Account.SEQ);
      now = System.nanoTime();
      copy(account, into, now);
      if (undisturbed(account, before)) {
        break;
      }
    }
    return now;
  }

  /** Between two tries: since when it is being tried, or GIVE_UP; 0 stands for the first time. */
  private static long waited(long since) {
    Thread.onSpinWait();
    long now = System.nanoTime();
    if (since == 0) {
      return now == 0 || now == GIVE_UP ? 1 : now;
    }
    return now - since > MAX_WAIT_NS ? GIVE_UP : since;
  }

  private boolean undisturbed(int account, int before) {
    VarHandle.loadLoadFence();
    return (before & 1) == 0
        && before == (int) INT.getVolatile(memory, account + Layout.Account.SEQ);
  }

  private void copy(int account, long[] into, long now) {
    int state = memory.get(account + Layout.Account.STATE);
    long last = (long) LONG.get(memory, account + Layout.Account.LAST_NS);
    for (int kind = 0; kind < KINDS; kind++) {
      into[kind] = (long) LONG.get(memory, account + Layout.Account.NS + 8 * kind);
    }
    if (state < 0 || state >= KINDS || now <= last) {
      return;
    }
    long open = now - last;
    if (memory.get(account + Layout.Account.STOPPABLE) != 0) {
      long stopped =
          stoppedUntil(now) - (long) LONG.get(memory, account + Layout.Account.STOPPED_NS);
      stopped = Math.min(Math.max(stopped, 0), open);
      into[Layout.KIND_SAFEPOINT] += stopped;
      open -= stopped;
    }
    into[state] += open;
  }

  private void addOffset(int slot, long[] into) {
    int offset = at(slot) + Layout.Slot.IDENTITY + Layout.ThreadIdentity.OFFSET_NS;
    for (int kind = 0; kind < KINDS; kind++) {
      into[kind] += (long) LONG.get(memory, offset + 8 * kind);
    }
  }

  /** How long the JVM has stood still (GC and other safepoints) up to a moment, nanoseconds. */
  public long stoppedUntil(long now) {
    long word = (long) LONG.getVolatile(memory, Layout.ProcessState.STOPPED);
    return word < 0 ? now - (word & ~STOP_ON) : word;
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
    into.thread = (long) LONG.get(memory, request + Layout.ServerRequest.THREAD);
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

  /** Who read the request that {@link #readRequest} gives, as {@link #thread} names threads. */
  public long requestThread(int slot) {
    return (long)
        LONG.getVolatile(memory, at(slot) + Layout.Slot.REQUEST + Layout.ServerRequest.THREAD);
  }

  private int unsignedShort(int at) {
    return Short.toUnsignedInt((short) SHORT.get(memory, at));
  }
}
