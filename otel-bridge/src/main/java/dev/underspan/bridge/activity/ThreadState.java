package dev.underspan.bridge.activity;

import dev.underspan.abi.Ledger;
import dev.underspan.abi.ServerRequest;
import dev.underspan.bridge.wire.TraceHead;
import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/**
 * What we know of one thread, platform or virtual. Used by that thread alone, except {@link
 * #mountedOn}, which carriers set.
 */
public final class ThreadState {
  final long threadId;
  final boolean virtual;
  @Nullable Activity current;
  int slot = -1;
  boolean enrolmentTried;

  /** Virtual: the time it was mounted, by kind, up to its latest unmount. */
  final @Nullable AtomicLongArray mounted;

  /** Virtual: the carrier it is mounted on. */
  volatile @Nullable ThreadState mountedOn;

  /** Carrier: its account when it took up what it carries now. */
  final long[] mountBase = new long[Ledger.KINDS];

  private final long[] scratch = new long[Ledger.KINDS];

  /** The request that the thread read last; reused. */
  public final ServerRequest request = new ServerRequest();

  /** The request that a server span was started for last, so that none is taken twice. */
  public long takenCookie;

  /** See {@link #takenCookie}. */
  public long takenNumber;

  ThreadState(long threadId, boolean virtual) {
    this.threadId = threadId;
    this.virtual = virtual;
    this.mounted = virtual ? new AtomicLongArray(Ledger.KINDS) : null;
  }

  /** Whether it is a virtual thread's. */
  public boolean isVirtual() {
    return virtual;
  }

  /** The ledger slot of the kernel thread that runs this thread now, -1 if it has none. */
  public int slot() {
    return slot;
  }

  void writeHead(Ledger ledger) {
    int at = slot;
    if (at < 0) {
      return;
    }
    Activity activity = current;
    if (activity == null) {
      ledger.clearHead(at);
    } else {
      TraceHead head = activity.head();
      ledger.setHead(at, head.traceIdHigh(), head.traceIdLow(), head.spanId(), (byte) head.flags());
    }
  }

  /** The thread's account so far, by kind, and the moment it holds for; on the thread itself. */
  long read(Ledger ledger, long[] into) {
    long now = ledger.readNow(slot, into);
    AtomicLongArray earlier = mounted;
    if (earlier != null) {
      ThreadState carrier = mountedOn;
      for (int kind = 0; kind < Ledger.KINDS; kind++) {
        long base = carrier == null ? 0 : carrier.mountBase[kind];
        into[kind] = into[kind] - base + earlier.get(kind);
      }
    }
    return now;
  }

  /**
   * On the carrier: adds what the carrier spent since the mount to the virtual thread's account.
   */
  void settle(Ledger ledger, ThreadState carried) {
    AtomicLongArray account = carried.mounted;
    if (account == null || slot < 0) {
      return;
    }
    ledger.readNow(slot, scratch);
    for (int kind = 0; kind < Ledger.KINDS; kind++) {
      account.getAndAdd(kind, scratch[kind] - mountBase[kind]);
    }
  }
}
