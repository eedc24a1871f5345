package dev.underspan.bridge.activity;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import dev.underspan.abi.ServerRequest;
import dev.underspan.bridge.map.WeakIdentityMap;
import dev.underspan.bridge.wire.TraceHead;
import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

/**
 * What we know of one thread, platform or virtual. Used by that thread alone, and by the carrier
 * while it mounts or unmounts it; others only read, for what they can do with a stale value.
 */
public final class ThreadState {
  final Thread thread;
  final long threadId;
  final boolean virtual;

  /** Read by the watcher of blocked threads too. */
  volatile @Nullable Activity current;

  volatile int slot = -1;
  boolean enrolmentTried;

  /** Why the thread is about to block; the slot has a copy while the thread has the slot. */
  byte hint;

  /** Open scopes, innermost last; their objects are used again. */
  private final ArrayList<Activities.Scope> scopes = new ArrayList<>(4);

  private int depth;

  /** Virtual: its account at the latest unmount. */
  private final long[] account;

  /** Virtual: {@link #account} less that of the carrier at the latest mount. */
  private final long[] offset;

  /** Virtual: when it was unmounted; 0 while it is mounted, or never was. */
  volatile long unmountedAt;

  /** Virtual: when it became runnable after that; 0: not yet. */
  volatile long runnableAt;

  /** Virtual: the kind of its unmounted time before it became runnable. */
  private int parkedIn = Layout.KIND_LOCK;

  final long[] scratch = new long[Ledger.KINDS];

  /** By which the thread works on what it has read from a socket, since it read that. */
  Activities.@Nullable Scope readScope;

  /** The request that the thread read last; reused. */
  public final ServerRequest request = new ServerRequest();

  /** A request that maybe another thread read; reused. */
  public final ServerRequest elsewhere = new ServerRequest();

  /** The request that a server span was started for last, so that none is taken twice. */
  public long takenCookie;

  /** See {@link #takenCookie}. */
  public long takenNumber;

  /** How long the thread had been blocked when it was done with that request, nanoseconds. */
  public long takenBlocked;

  /** How the request came that the thread's next server span is for; another tracer's span. */
  public @Nullable Object arrival;

  /** How often another activity has become current; wraps. */
  int moves;

  /** To look for a span by, without an allocation. */
  public final WeakIdentityMap.Sought sought = new WeakIdentityMap.Sought();

  ThreadState(Thread thread, long threadId, boolean virtual) {
    this.thread = thread;
    this.threadId = threadId;
    this.virtual = virtual;
    this.account = new long[virtual ? Ledger.KINDS : 0];
    this.offset = new long[virtual ? Ledger.KINDS : 0];
  }

  /** Whether it is a virtual thread's. */
  public boolean isVirtual() {
    return virtual;
  }

  /** The thread. */
  public Thread thread() {
    return thread;
  }

  /** What is current on the thread, as another thread may see it a little late. */
  public @Nullable Activity activity() {
    return current;
  }

  /** The ledger slot of the kernel thread that runs this thread now, -1 if it has none. */
  public int slot() {
    return slot;
  }

  // ---- scopes --------------------------------------------------------------------------------

  Activities.Scope push() {
    if (depth == scopes.size()) {
      scopes.add(new Activities.Scope(this, depth));
    }
    return scopes.get(depth++);
  }

  /** The innermost open scope, closed by this; null when none is open. */
  Activities.@Nullable Scope pop() {
    return depth == 0 ? null : scopes.get(--depth);
  }

  Activities.@Nullable Scope outermost() {
    return depth == 0 ? null : scopes.get(0);
  }

  /** The innermost open scope that was opened for this key of another tracer; null: none. */
  Activities.@Nullable Scope openFor(Object key) {
    for (int i = depth - 1; i >= 0; i--) {
      Activities.Scope scope = scopes.get(i);
      if (scope.key == key) {
        return scope;
      }
    }
    return null;
  }

  boolean isOpen(Activities.Scope scope) {
    return scope.place < depth && scopes.get(scope.place) == scope;
  }

  boolean isInnermost(Activities.Scope scope) {
    return scope.place == depth - 1 && scopes.get(scope.place) == scope;
  }

  /** Whether the thread's time is counted for the activity already, by an outer scope. */
  boolean isInside(Activity activity) {
    for (int i = depth - 1; i >= 0; i--) {
      if (scopes.get(i).activity == activity) {
        return true;
      }
    }
    return false;
  }

  // ---- the ledger ----------------------------------------------------------------------------

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

  void setHint(@Nullable Kernel kernel, byte newHint) {
    hint = newHint;
    int at = slot;
    if (kernel != null && at >= 0) {
      kernel.ledger().setHint(at, newHint);
    }
  }

  /**
   * The virtual thread begins to run on the slot's thread: its unmounted time is added to its
   * account. On the carrier.
   */
  void mount(Ledger ledger, int carrierSlot) {
    long now = ledger.readCarrier(carrierSlot, offset);
    long since = unmountedAt;
    long runnable = runnableAt;
    if (since != 0) {
      long until = runnable == 0 ? now : Math.min(Math.max(runnable, since), now);
      account[parkedIn] += until - since;
      account[Layout.KIND_CARRIER] += now - until;
    } else if (runnable != 0) {
      account[Layout.KIND_CARRIER] += Math.max(0, now - runnable);
    }
    for (int kind = 0; kind < Ledger.KINDS; kind++) {
      offset[kind] = account[kind] - offset[kind];
    }
    unmountedAt = 0;
    runnableAt = 0;
    slot = carrierSlot;
    ledger.setIdentity(carrierSlot, threadId, offset);
    ledger.setHint(carrierSlot, hint);
    writeHead(ledger);
  }

  /**
   * The virtual thread leaves its carrier, and nobody may mount it before this returns. No lock,
   * allocation or class load.
   */
  void unmount(Ledger ledger) {
    int at = slot;
    if (at < 0) {
      return;
    }
    // The carrier's next one may read another request before this one comes back.
    if (ledger.requestThread(at) == threadId) {
      ledger.readRequest(at, request);
    }
    parkedIn = kindOf(hint);
    runnableAt = 0; // one that came late was of the wait before
    slot = -1;
    unmountedAt = ledger.readNow(at, account);
    ledger.clearHead(at);
    ledger.setHint(at, (byte) Layout.HINT_NONE);
    ledger.clearIdentity(at);
  }

  /**
   * The virtual thread is about to be started.
   *
   * @return the moment from which it waits for a carrier, with nothing in its account
   */
  long start() {
    long now = System.nanoTime();
    runnableAt = now;
    return now;
  }

  /** The virtual thread may run again; before any carrier can know. */
  void runnable() {
    if (runnableAt == 0 && slot < 0) {
      runnableAt = System.nanoTime();
    }
  }

  /** No Java method was entered to block: it is a contended monitor, or the thread only yielded. */
  private static int kindOf(byte hint) {
    return switch (hint) {
      case Layout.HINT_WAIT -> Layout.KIND_WAIT;
      case Layout.HINT_SLEEP -> Layout.KIND_SLEEP;
      case Layout.HINT_NETWORK -> Layout.KIND_NETWORK;
      default -> Layout.KIND_LOCK;
    };
  }

  /** The kind that an unmounted virtual thread waits in, -1 when it is mounted or runnable. */
  public int parkedIn() {
    return unmountedAt != 0 && runnableAt == 0 ? parkedIn : -1;
  }

  /** When it was unmounted, System.nanoTime(). */
  public long parkedSince() {
    return unmountedAt;
  }

  /**
   * The thread's account as another thread sees it.
   *
   * @param name as {@link Ledger#thread} had it when the span entered; the account must be its
   * @return whether it could be read
   */
  boolean peek(Ledger ledger, long name, long now, long[] into) {
    int at = slot;
    if (at >= 0) {
      ledger.read(at, into, now);
      return ledger.thread(at) == name && slot == at;
    }
    long since = unmountedAt;
    long runnable = runnableAt;
    if (!virtual || (since == 0 && runnable == 0)) {
      return false;
    }
    System.arraycopy(account, 0, into, 0, Ledger.KINDS);
    if (since == 0) {
      into[Layout.KIND_CARRIER] += Math.max(0, now - runnable);
      return unmountedAt == 0 && slot < 0;
    }
    long until = runnable == 0 ? now : Math.min(Math.max(runnable, since), now);
    into[parkedIn] += Math.max(0, until - since);
    into[Layout.KIND_CARRIER] += Math.max(0, now - until);
    return unmountedAt == since;
  }
}
