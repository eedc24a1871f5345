package dev.underspan.bridge.activity;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A span's time over all the threads that it is current on: what each of them spends between its
 * outermost attach and detach, and {@code idle} while there is none. Accounts are read when a
 * thread comes or goes, not at scopes within. Thread-safe: accounts are read under the lock, so
 * that the moments at which threads come and go, and at which the span ends, are in one order.
 */
public final class SpanTime {
  private final Budget budget = new Budget();
  private final List<Stay> inside = new ArrayList<>(2);

  /** Who had the span last while it is on no thread; null where such gaps are idle time. */
  private @Nullable Gap gap;

  private long idleSince;
  private long begin;
  private boolean ended;

  /** Whether an account of each kind was read. */
  private boolean byKernel;

  private boolean byProcess;

  SpanTime() {}

  /**
   * A thread's stay in a span. Its scope uses it again for the next stay, in whichever span: once
   * {@link #leave} has returned, no span knows it any more. Until then {@link #end} may read it on
   * another thread, under the lock under which it was handed in.
   */
  static final class Stay {
    final ThreadState state;
    private boolean kernel;

    /** As {@link Ledger#thread} names it; 0 without an account of the kernel's. */
    private long name;

    private long since;
    private final long[] base = new long[Ledger.KINDS];

    Stay(ThreadState state) {
      this.state = state;
    }
  }

  /**
   * A span that is another tracer's is begun and ended outside its scopes, by the thread that works
   * on it. As long as that thread turns to nothing else meanwhile, it has not left.
   */
  private static final class Gap {
    static final long MAX_NS = 20_000_000;

    @Nullable ThreadState state;
    long name;
    int moves;
    final long[] base = new long[Ledger.KINDS];

    void note(ThreadState newState, long newName, long[] account) {
      state = newState;
      name = newName;
      moves = newState.moves;
      System.arraycopy(account, 0, base, 0, Ledger.KINDS);
    }
  }

  /** Another tracer's span begins now, on the calling thread. */
  void beginOn(ThreadState state, @Nullable Kernel kernel) {
    Gap own = new Gap();
    int slot = state.slot;
    long now = 0;
    if (kernel != null && slot >= 0) {
      now = kernel.ledger().readNow(slot, own.base);
      own.name = kernel.ledger().thread(slot);
      own.moves = state.moves;
      own.state = state;
    }
    gap = own;
    begin(now == 0 ? System.nanoTime() : now);
  }

  /** The thread has the account at a moment up to which nobody was inside. */
  private void closeGap(
      ThreadState state, boolean hasAccount, long name, int moves, long[] account, long at) {
    long length = Math.max(0, at - Math.max(idleSince, begin));
    Gap own = gap;
    if (own != null
        && hasAccount
        && own.state == state
        && own.name == name
        && own.moves == moves
        && length <= Gap.MAX_NS) {
      byKernel = true;
      budget.add(own.base, account);
    } else {
      budget.idle += length;
    }
  }

  /** The span begins; before any thread enters. */
  public synchronized void begin(long atNs) {
    begin = atNs;
    idleSince = atNs;
  }

  /** The calling thread enters now. */
  synchronized void enter(Stay stay, @Nullable Kernel kernel) {
    int slot = stay.state.slot;
    stay.kernel = kernel != null && slot >= 0;
    if (kernel != null && slot >= 0) {
      stay.since = kernel.ledger().readNow(slot, stay.base);
      stay.name = kernel.ledger().thread(slot);
    } else {
      // The moment before: the account is read a little later, and must not reach back.
      stay.since = System.nanoTime();
      stay.name = ProcessAccount.read(stay.state, stay.base) != 0 ? -1 : 0;
    }
    add(stay);
  }

  /** The thread has been inside since a moment before, at which it had this account. */
  synchronized void enter(Stay stay, Kernel kernel, long since, long[] account) {
    stay.kernel = true;
    stay.since = since;
    stay.name = kernel.ledger().thread(stay.state.slot);
    System.arraycopy(account, 0, stay.base, 0, Ledger.KINDS);
    add(stay);
  }

  /** A virtual thread that is about to be started enters, at a moment with an empty account. */
  synchronized void enterNew(Stay stay, long since) {
    stay.kernel = true;
    stay.since = since;
    stay.name = stay.state.threadId; // as the ledger names a virtual thread
    Arrays.fill(stay.base, 0);
    add(stay);
  }

  private void add(Stay stay) {
    if (!ended) {
      if (inside.isEmpty()) {
        // One move: the one by which it enters.
        closeGap(stay.state, stay.kernel, stay.name, stay.state.moves - 1, stay.base, stay.since);
      }
      inside.add(stay);
      budget.threads = Math.max(budget.threads, inside.size());
    }
  }

  /** The calling thread, which entered, leaves. */
  synchronized void leave(Stay stay, @Nullable Kernel kernel) {
    if (!ended && inside.contains(stay)) {
      close(stay, kernel);
    }
  }

  /**
   * Adds up to now what the calling thread did since it entered.
   *
   * @return that moment
   */
  private long close(Stay stay, @Nullable Kernel kernel) {
    long[] account = stay.state.scratch;
    long at = 0;
    if (stay.kernel && kernel != null && stay.state.slot >= 0) {
      at = kernel.ledger().readNow(stay.state.slot, account);
    } else if (!stay.kernel && stay.name != 0) {
      at = ProcessAccount.read(stay.state, account);
    }
    long now = at == 0 ? System.nanoTime() : at;
    settle(stay, at == 0 ? null : account, now);
    inside.remove(stay);
    if (inside.isEmpty()) {
      idleSince = now;
      Gap own = gap;
      if (own != null) {
        own.state = null;
        if (stay.kernel && at != 0) {
          own.note(stay.state, stay.name, account);
        }
      }
    }
    return now;
  }

  private void settle(Stay stay, long @Nullable [] end, long now) {
    long elapsed = Math.max(0, now - stay.since);
    if (end == null) {
      // It is not known what the thread did.
      budget.ns[Layout.KIND_OTHER] += elapsed;
    } else if (stay.kernel) {
      byKernel = true;
      budget.add(stay.base, end);
    } else {
      byProcess = true;
      long cpu = Math.min(Math.max(0, end[Layout.KIND_CPU] - stay.base[Layout.KIND_CPU]), elapsed);
      // schedstat is brought up to date at ticks only, so a short interval may read too long.
      long queue =
          Math.min(
              Math.max(0, end[Layout.KIND_RUN_QUEUE] - stay.base[Layout.KIND_RUN_QUEUE]),
              elapsed - cpu);
      budget.ns[Layout.KIND_CPU] += cpu;
      budget.ns[Layout.KIND_RUN_QUEUE] += queue;
      budget.ns[Layout.KIND_OTHER] += elapsed - cpu - queue;
    }
  }

  /**
   * Another tracer's span ends, on the calling thread.
   *
   * @return the moment, 0 if it had ended before
   */
  synchronized long endOn(ThreadState state, @Nullable Kernel kernel) {
    if (ended) {
      return 0;
    }
    int slot = state.slot;
    if (kernel != null && slot >= 0 && inside.isEmpty()) {
      long[] account = state.scratch;
      long now = kernel.ledger().readNow(slot, account);
      closeGap(state, true, kernel.ledger().thread(slot), state.moves, account, now);
      idleSince = now;
      return endAt(kernel, now);
    }
    return end(kernel, state);
  }

  /** From the span's begin as it was told here to a moment. */
  synchronized long lasted(long until) {
    return until - begin;
  }

  /**
   * The span ends now. Threads that are still inside are taken up to now; what they do after is
   * nobody's.
   *
   * @param self the calling thread's; it may be inside as well
   * @return that moment
   */
  synchronized long end(@Nullable Kernel kernel, ThreadState self) {
    if (!ended) {
      for (Stay stay : inside) {
        if (stay.state == self) {
          // The moment is that of its own account: read for another one, it would have what came
          // in between, if the thread lost its CPU there.
          return endAt(kernel, close(stay, kernel));
        }
      }
    }
    return endAt(kernel, System.nanoTime());
  }

  private long endAt(@Nullable Kernel kernel, long now) {
    if (ended) {
      return now;
    }
    ended = true;
    if (inside.isEmpty()) {
      budget.idle += Math.max(0, now - Math.max(idleSince, begin));
      return now;
    }
    long[] account = new long[Ledger.KINDS];
    for (Stay stay : inside) {
      if (stay.kernel
          && kernel != null
          && stay.state.peek(kernel.ledger(), stay.name, now, account)) {
        settle(stay, account, now);
      }
    }
    // A thread that could not be asked any more, and no other that explains the time.
    budget.ns[Layout.KIND_OTHER] += Math.max(0, now - begin - budget.sum());
    inside.clear();
    return now;
  }

  /** See {@link Activities#endAnswered}. */
  synchronized void endAnswered(
      @Nullable Kernel kernel, long at, long since, long[] base, long thread, long[] account) {
    if (ended) {
      return;
    }
    for (Iterator<Stay> i = inside.iterator(); i.hasNext(); ) {
      Stay stay = i.next();
      if (stay.kernel && stay.name == thread && thread != 0) {
        settle(stay, account, at);
        idleSince = at;
        i.remove();
      }
    }
    endAt(kernel, at);
    if (since != 0) {
      byKernel = true;
      budget.idle = Math.max(0, since - begin);
      budget.add(base, account);
      budget.threads++;
      return;
    }
    // Who left before this was told took with it what it did after the answer.
    long excess = budget.threads == 1 ? budget.sum() - (at - begin) : 0;
    for (int kind = 0; kind < Ledger.KINDS && excess > 0; kind++) {
      excess = budget.take(kind, excess);
    }
  }

  /** The sum, once the span has ended. */
  public synchronized Budget budget() {
    return budget;
  }

  /** Whether any of the time is by what a process can read of itself. */
  public synchronized boolean isByProcess() {
    return byProcess;
  }

  /** Whether the time is by the kernel's account, not by what a process can read of itself. */
  public synchronized boolean isByKernel() {
    return byKernel && !byProcess;
  }
}
