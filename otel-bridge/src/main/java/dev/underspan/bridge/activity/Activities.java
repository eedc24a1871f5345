package dev.underspan.bridge.activity;

import dev.underspan.abi.Layout;
import dev.underspan.abi.RecentRequests;
import dev.underspan.abi.ServerRequest;
import java.lang.ref.WeakReference;
import java.util.Collections;
import java.util.Map;
import java.util.WeakHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Which activity is current on each thread. Every change is written to the thread's ledger slot
 * with plain stores, so that kernel events carry it. Until the kernel side is there, and where it
 * is not to be had, only the Java half works.
 */
public final class Activities {
  /** Null before Java 21. */
  private static final @Nullable Class<?> VIRTUAL = virtualThreadClass();

  /** Platform threads; virtual ones are found by their id, also from their carriers. */
  @SuppressWarnings("ThreadLocalUsage") // one instance in the agent, some in its tests
  private final ThreadLocal<@Nullable ThreadState> platform = new ThreadLocal<>();

  private final VirtualThreads virtualThreads = new VirtualThreads();

  /** Activities that platform threads not yet seen begin with. */
  private final Map<Thread, Activity> inherited = Collections.synchronizedMap(new WeakHashMap<>());

  /** Who has which slot, for those who look at slots from outside. */
  private final AtomicReferenceArray<@Nullable WeakReference<ThreadState>> bySlot =
      new AtomicReferenceArray<>(MAX_SLOTS + 1);

  private static final int MAX_SLOTS = 65_536;

  private final AtomicLong misusedScopes = new AtomicLong();

  /** Null while there is none, or it is gone: then nobody keeps accounts. */
  private volatile @Nullable Kernel kernel;

  /**
   * The latest one. Its memory stays mapped, and what is in the slots is kept up to date while it
   * is gone, so that it can come back at any time.
   */
  private volatile @Nullable Kernel mapped;

  /** No kernel side yet. */
  public Activities() {}

  /** From now on threads get ledger slots; also when the same one is back. */
  public void connect(Kernel newKernel) {
    mapped = newKernel;
    kernel = newKernel;
  }

  /** The kernel side is gone, maybe for a while. */
  public void disconnect() {
    kernel = null;
  }

  /**
   * What {@code underspan.level} says.
   *
   * @param byKernel whether the span's time is by the kernel's account
   */
  public String level(boolean byKernel) {
    Kernel latest = mapped;
    return byKernel && latest != null ? latest.level() : "process";
  }

  /** The kernel side, null when there is none. */
  public @Nullable Kernel kernel() {
    return kernel;
  }

  private static @Nullable Class<?> virtualThreadClass() {
    try {
      return Class.forName("java.lang.VirtualThread", false, null);
    } catch (ClassNotFoundException e) {
      return null;
    }
  }

  @SuppressWarnings("deprecation") // threadId() is not in 17
  private static long id(Thread thread) {
    return thread.getId();
  }

  /** The calling thread's state if it has one; no allocation but the thread-local's own. */
  private @Nullable ThreadState known() {
    Thread thread = Thread.currentThread();
    return thread.getClass() == VIRTUAL ? virtualThreads.get(id(thread)) : platform.get();
  }

  private ThreadState knownOrNew() {
    ThreadState known = known();
    if (known != null) {
      return known;
    }
    Thread thread = Thread.currentThread();
    boolean virtual = thread.getClass() == VIRTUAL;
    ThreadState state = new ThreadState(thread, id(thread), virtual);
    if (virtual) {
      virtualThreads.put(state);
    } else {
      platform.set(state);
      Activity activity = inherited.remove(thread);
      if (activity != null) {
        begin(state, activity);
      }
    }
    return state;
  }

  /** The thread begins with an activity, in a scope that is closed with its end. */
  private Scope begin(ThreadState state, Activity activity) {
    Scope scope = state.push();
    scope.activity = activity;
    state.current = activity;
    return scope;
  }

  /** The calling thread's state, enrolled where there is a kernel side. */
  public ThreadState state() {
    ThreadState state = knownOrNew();
    Kernel connected = kernel;
    if (!state.enrolmentTried && connected != null) {
      state.enrolmentTried = true;
      int slot = connected.enrol();
      if (slot >= 0) {
        if (state.virtual) {
          state.mount(connected.ledger(), slot); // seen first while it runs
        } else {
          state.slot = slot;
          bySlot.set(slot, new WeakReference<>(state));
          state.writeHead(connected.ledger()); // attached before there was a kernel side
        }
        if (state.current != null) {
          enterOutermost(state, connected);
        }
      }
    }
    return state;
  }

  /** Activities that the thread began with are entered once its account can be read. */
  private static void enterOutermost(ThreadState state, Kernel connected) {
    Scope outermost = state.outermost();
    if (outermost != null && !outermost.entered && outermost.activity != null) {
      outermost.activity.time().enter(outermost.enter(), connected);
    }
  }

  /** What is current on the calling thread. */
  public @Nullable Activity current() {
    ThreadState state = knownOrNew();
    Scope read = state.readScope;
    if (read != null && read.activity != null && read.activity.isEnded()) {
      closeRead(state);
    }
    return state.current;
  }

  /** Undoes one {@link #attach}. Used again by the thread after that. */
  public static final class Scope {
    final ThreadState state;
    final int place;
    @Nullable Activity activity;
    @Nullable Activity previous;

    /** Another tracer's scope that this one follows. */
    @Nullable Object key;

    /** Whether it is by this scope that the thread's time is counted for the activity. */
    boolean entered;

    private SpanTime.@Nullable Stay stay;

    Scope(ThreadState state, int place) {
      this.state = state;
      this.place = place;
    }

    /** The stay that begins; its object is made once. */
    SpanTime.Stay enter() {
      entered = true;
      SpanTime.Stay own = stay;
      if (own == null) {
        own = new SpanTime.Stay(state);
        stay = own;
      }
      return own;
    }
  }

  /** Makes an activity current on the calling thread. */
  public Scope attach(@Nullable Activity activity) {
    ThreadState state = state();
    boolean enters = activity != null && !state.isInside(activity);
    Scope scope = open(state, activity);
    if (enters && activity != null) {
      activity.time().enter(scope.enter(), kernel);
    }
    return scope;
  }

  /**
   * Makes an activity current that the calling thread has worked on since it read the request; at
   * that moment it had the request's account.
   */
  public Scope attach(Activity activity, ServerRequest since) {
    ThreadState state = state();
    Kernel connected = kernel;
    if (connected == null || state.slot < 0) {
      return attach(activity);
    }
    Scope scope = open(state, activity);
    activity.time().enter(scope.enter(), connected, since.readNs, since.account);
    return scope;
  }

  /**
   * Makes an activity current on the calling thread until it reads the next request: nobody tells
   * when it is done with this one. Its time is not counted by this.
   */
  public void attachRead(ThreadState state, Activity activity) {
    state.readScope = open(state, activity);
  }

  /**
   * Undoes {@link #attachRead}.
   *
   * @return false where the thread is inside something that it has entered since
   */
  public boolean closeRead(ThreadState state) {
    Scope read = state.readScope;
    if (read != null) {
      if (state.isOpen(read) && !state.isInnermost(read)) {
        return false;
      }
      state.readScope = null;
      if (state.isOpen(read)) {
        detach(read);
      }
    }
    return true;
  }

  /** The calling thread's state, not enrolled by this. */
  public ThreadState thread() {
    return knownOrNew();
  }

  /**
   * Another tracer has made an activity current on the calling thread.
   *
   * @param key the scope by which it will undo that
   */
  public void follow(ThreadState state, @Nullable Activity activity, Object key) {
    if (activity != null) {
      attach(activity).key = key;
    } else if (state.current != null) {
      open(state, null).key = key;
    }
  }

  /** Another tracer has closed a scope; those that it did not open here are not known. */
  public void unfollow(Object key) {
    ThreadState state = known();
    Scope scope = state == null ? null : state.openFor(key);
    if (scope != null) {
      detach(scope);
    }
  }

  /** Another tracer's span begins now, on the calling thread. */
  public void beginForeign(Activity activity) {
    activity.time().beginOn(state(), kernel);
  }

  /**
   * Another tracer's span ends now, on the calling thread.
   *
   * @return how long it lasted as it was seen here, nanoseconds; -1 if it had ended before
   */
  public long endForeign(Activity activity) {
    long now = activity.time().endOn(state(), kernel);
    if (now == 0) {
      return -1;
    }
    activity.end(now);
    return activity.time().lasted(now);
  }

  private Scope open(ThreadState state, @Nullable Activity activity) {
    state.moves++;
    Scope scope = state.push();
    scope.activity = activity;
    scope.previous = state.current;
    set(state, activity);
    return scope;
  }

  /**
   * Makes current again what was before. Scopes within that were left open are closed too, and
   * counted; so is a call on another thread or for a scope that is closed, which does nothing.
   */
  public void detach(Scope scope) {
    ThreadState state = known();
    if (state == null || state != scope.state || !state.isOpen(scope)) {
      misusedScopes.incrementAndGet();
      return;
    }
    state.moves++;
    while (true) {
      Scope inner = state.pop();
      if (inner == null || inner == scope) {
        break;
      }
      misusedScopes.incrementAndGet();
      leave(inner);
    }
    leave(scope);
    Activity previous = scope.previous;
    scope.previous = null;
    set(state, previous);
  }

  /** Whether the calling thread opened the scope and has not closed it. */
  public boolean isOpenHere(Scope scope) {
    ThreadState state = known();
    return state == scope.state && state != null && state.isOpen(scope);
  }

  private void leave(Scope scope) {
    Activity activity = scope.activity;
    SpanTime.Stay stay = scope.stay;
    boolean entered = scope.entered;
    scope.activity = null;
    scope.key = null;
    scope.entered = false;
    if (activity != null && stay != null && entered) {
      activity.time().leave(stay, kernel);
    }
  }

  private void set(ThreadState state, @Nullable Activity activity) {
    state.current = activity;
    Kernel connected = mapped;
    if (connected != null) {
      state.writeHead(connected.ledger());
    }
  }

  /** Scopes closed twice, in the wrong order, on another thread, or left open within others. */
  public long misusedScopes() {
    return misusedScopes.get();
  }

  /**
   * The activity's span ends at this moment. The calling thread may still have a scope of it open.
   *
   * @return the moment
   */
  public long end(Activity activity) {
    long now = activity.time().end(kernel, knownOrNew());
    activity.end(now);
    return now;
  }

  /**
   * The activity's span ended at a moment that is known by its answer.
   *
   * @param since when the thread that answered had read the request; 0: another one had
   * @param base its account at that moment
   * @param thread who answered, as {@link dev.underspan.abi.Ledger#thread} names threads
   * @param account its account at the span's end
   */
  public void endAnswered(
      Activity activity, long at, long since, long[] base, long thread, long[] account) {
    activity.time().endAnswered(kernel, at, since, base, thread, account);
    activity.end(at);
  }

  /** How long the calling thread has been blocked so far, nanoseconds; 0 without an account. */
  public long blockedSoFar(ThreadState state) {
    long[] account = state.scratch;
    if (read(state, account) == 0) {
      return 0;
    }
    return account[Layout.KIND_LOCK]
        + account[Layout.KIND_WAIT]
        + account[Layout.KIND_SLEEP]
        + account[Layout.KIND_NETWORK];
  }

  /**
   * Reads the calling thread's account.
   *
   * @return the moment that it holds for (System.nanoTime()), or 0 when there is no account
   */
  public long read(ThreadState state, long[] into) {
    Kernel connected = kernel;
    int slot = state.slot;
    return connected == null || slot < 0 ? 0 : connected.ledger().readNow(slot, into);
  }

  /** The request that the calling thread read last, in {@code state.request}. */
  public boolean readRequest(ThreadState state) {
    Kernel connected = kernel;
    int slot = state.slot;
    if (connected == null || slot < 0) {
      return false;
    }
    if (connected.ledger().requestThread(slot) == connected.ledger().thread(slot)) {
      return connected.ledger().readRequest(slot, state.request);
    }
    return state.request.number != 0; // read before it was unmounted
  }

  /**
   * The latest request that any thread read from a connection, in {@code state.elsewhere}.
   *
   * @return false when it is not known
   */
  public boolean findRequest(ThreadState state, int localPort, int remotePort) {
    Kernel connected = kernel;
    RecentRequests recent = connected == null ? null : connected.recentRequests();
    return recent != null && recent.find(localPort, remotePort, state.elsewhere);
  }

  /** The application starts a platform thread, which begins with what is current here. */
  public void threadStarting(Thread thread) {
    Activity activity = current();
    ThreadState state = knownOrNew();
    if (activity != null) {
      inherited.put(thread, activity);
      Kernel connected = mapped;
      if (connected != null && state.slot >= 0) {
        connected.ledger().inheritHead(state.slot);
      }
    }
  }

  /**
   * The same for a virtual thread. It is the activity's from here on, while it waits for its first
   * carrier too: at its mount it would be too late, since nothing there may wait for a lock.
   */
  public void virtualThreadStarting(Thread thread) {
    Activity activity = current();
    if (activity != null) {
      ThreadState state = new ThreadState(thread, id(thread), true);
      Scope scope = begin(state, activity);
      if (kernel != null) {
        activity.time().enterNew(scope.enter(), state.start());
      }
      virtualThreads.put(state);
    }
  }

  /** On the carrier, before the mount. */
  public void mount(Thread virtual) {
    Kernel connected = mapped;
    if (connected == null) {
      return;
    }
    ThreadState carried = virtualThreads.get(id(virtual));
    if (carried == null) {
      return;
    }
    int slot = state().slot;
    if (slot >= 0) {
      carried.enrolmentTried = true;
      carried.mount(connected.ledger(), slot);
    }
  }

  /** On the carrier, which the virtual thread is about to leave. */
  public void unmount(Thread virtual) {
    Kernel connected = mapped;
    if (connected == null) {
      return;
    }
    ThreadState carried = virtualThreads.get(id(virtual));
    if (carried != null) {
      carried.unmount(connected.ledger());
    }
  }

  /** A virtual thread that is not mounted may run again. */
  public void virtualRunnable(Thread virtual) {
    ThreadState waiting = virtualThreads.get(id(virtual));
    if (waiting != null) {
      waiting.runnable();
    }
  }

  /** On a thread of either kind, at its end. */
  public void threadEnded(Thread thread) {
    ThreadState ended = known();
    if (ended != null && ended.thread == thread) {
      closeAll(ended);
      virtualThreads.remove(id(thread));
    }
  }

  private void closeAll(ThreadState state) {
    Scope scope = state.pop();
    while (scope != null) {
      leave(scope);
      scope.previous = null;
      scope = state.pop();
    }
    set(state, null);
  }

  /**
   * The calling thread is about to block; no allocation, no system call.
   *
   * @param hint Layout.HINT_*
   * @return whether {@link #unblocked} is to be called after; false when an outer call says more
   */
  public boolean blocking(int hint) {
    ThreadState state = known();
    if (state == null || state.slot < 0 || state.hint != Layout.HINT_NONE) {
      return false;
    }
    state.setHint(mapped, (byte) hint);
    return true;
  }

  /** It goes on. */
  public void unblocked() {
    ThreadState state = known();
    if (state != null) {
      state.setHint(mapped, (byte) Layout.HINT_NONE);
    }
  }

  /** Who has a slot, as far as Java has seen it; maybe by now another thread. */
  public @Nullable ThreadState bySlot(int slot) {
    WeakReference<ThreadState> reference = bySlot.get(slot);
    return reference == null ? null : reference.get();
  }

  /** Every virtual thread that is known, in no order. */
  public void forEachVirtual(Consumer<ThreadState> action) {
    virtualThreads.forEach(action);
  }
}
