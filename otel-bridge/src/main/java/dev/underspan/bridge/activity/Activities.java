package dev.underspan.bridge.activity;

import dev.underspan.abi.Ledger;
import java.util.Collections;
import java.util.Map;
import java.util.WeakHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Which activity is current on each thread. Every change is written to the thread's ledger slot
 * with plain stores, so that kernel events carry it. Until the kernel side is there, and where it
 * is not to be had, only the Java half works.
 */
public final class Activities {
  private final ThreadLocal<ThreadState> states = ThreadLocal.withInitial(this::create);
  private final VirtualThreads virtualThreads = new VirtualThreads();

  /** Activities that threads not yet seen begin with. */
  private final Map<Thread, Activity> inherited = Collections.synchronizedMap(new WeakHashMap<>());

  private volatile @Nullable Kernel kernel;

  /** No kernel side yet. */
  public Activities() {}

  /** From now on threads get ledger slots. */
  public void connect(Kernel newKernel) {
    kernel = newKernel;
  }

  /** Whether there is a kernel side. */
  public boolean hasKernel() {
    return kernel != null;
  }

  @SuppressWarnings("deprecation") // threadId() is not in 17
  private static long id(Thread thread) {
    return thread.getId();
  }

  private ThreadState create() {
    Thread thread = Thread.currentThread();
    ThreadState known = virtualThreads.get(id(thread));
    if (known != null) {
      return known;
    }
    ThreadState state = new ThreadState(id(thread), isVirtual(thread));
    if (state.virtual) {
      virtualThreads.put(state);
    }
    state.current = inherited.remove(thread);
    return state;
  }

  /**
   * Thread.isVirtual() is not in 17; the group's name is the same on all releases that have them.
   */
  private static boolean isVirtual(Thread thread) {
    return thread.getClass().getName().equals("java.lang.VirtualThread");
  }

  /** The calling thread's state, enrolled where there is a kernel side. */
  public ThreadState state() {
    ThreadState state = states.get();
    Kernel connected = kernel;
    if (!state.enrolmentTried && connected != null) {
      state.enrolmentTried = true;
      state.slot = connected.enrol();
      if (state.current != null) {
        state.writeHead(connected.ledger()); // attached before there was a kernel side
      }
    }
    return state;
  }

  /** What is current on the calling thread. */
  public @Nullable Activity current() {
    return states.get().current;
  }

  /** Undoes one {@link #attach}. */
  public record Scope(ThreadState state, @Nullable Activity previous) {}

  /** Makes an activity current on the calling thread. */
  public Scope attach(@Nullable Activity activity) {
    ThreadState state = state();
    Scope scope = new Scope(state, state.current);
    set(state, activity);
    return scope;
  }

  /** Makes current again what was before; on another thread than attach's it does nothing. */
  public void detach(Scope scope) {
    ThreadState state = states.get();
    if (state == scope.state) {
      set(state, scope.previous);
    }
  }

  private void set(ThreadState state, @Nullable Activity activity) {
    state.current = activity;
    Kernel connected = kernel;
    if (connected != null) {
      state.writeHead(connected.ledger());
    }
  }

  /**
   * Reads the calling thread's account.
   *
   * @return the moment that it holds for (System.nanoTime()), or 0 when there is no account
   */
  public long read(ThreadState state, long[] into) {
    Kernel connected = kernel;
    if (connected == null || state.slot < 0) {
      return 0;
    }
    return state.read(connected.ledger(), into);
  }

  /** The request that the calling thread read last, in {@code state.request}. */
  public boolean readRequest(ThreadState state) {
    Kernel connected = kernel;
    return connected != null
        && state.slot >= 0
        && connected.ledger().readRequest(state.slot, state.request);
  }

  /** The application starts a platform thread, which begins with what is current here. */
  public void threadStarting(Thread thread) {
    ThreadState state = states.get();
    Activity activity = state.current;
    if (activity != null) {
      inherited.put(thread, activity);
      Kernel connected = kernel;
      if (connected != null && state.slot >= 0) {
        connected.ledger().inheritHead(state.slot);
      }
    }
  }

  /** The same for a virtual thread. */
  public void virtualThreadStarting(Thread thread) {
    Activity activity = states.get().current;
    if (activity != null) {
      ThreadState state = new ThreadState(id(thread), true);
      state.current = activity;
      virtualThreads.put(state);
    }
  }

  /** On the carrier, before the mount. */
  public void mount(Thread virtual) {
    Kernel connected = kernel;
    if (connected == null) {
      return;
    }
    ThreadState carrier = state();
    Ledger ledger = connected.ledger();
    if (carrier.slot >= 0) {
      // Also for one that is not known yet: it may become so while it runs.
      ledger.readNow(carrier.slot, carrier.mountBase);
    }
    ThreadState carried = virtualThreads.get(id(virtual));
    if (carried == null) {
      return;
    }
    carried.slot = carrier.slot;
    carried.enrolmentTried = true;
    carried.mountedOn = carrier;
    if (carrier.slot >= 0) {
      carried.writeHead(ledger);
    }
  }

  /** On the carrier, after the unmount; the virtual thread may run elsewhere by now. */
  public void unmount(Thread virtual) {
    Kernel connected = kernel;
    ThreadState carrier = states.get();
    if (connected == null || carrier.slot < 0) {
      return;
    }
    ThreadState carried = virtualThreads.get(id(virtual));
    if (carried != null) {
      carrier.settle(connected.ledger(), carried);
    }
    connected.ledger().clearHead(carrier.slot);
  }

  /** On the virtual thread, at its end. */
  public void virtualThreadEnded(Thread virtual) {
    virtualThreads.remove(id(virtual));
  }
}
