package dev.underspan.runtime;

import dev.underspan.abi.Ledger;
import dev.underspan.abi.RecentRequests;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.activity.Kernel;
import dev.underspan.bridge.correlate.SocketEvents;
import dev.underspan.bridge.enrich.EventPump;
import dev.underspan.host.KernelProbes;
import dev.underspan.host.ProbeException;
import dev.underspan.host.RingReader;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The kernel's programs while they run, and the thread that reads their events. */
final class KernelSide implements Kernel, EventPump {
  /** How long an event may lie unread while there are others now and then. */
  private static final long POLL_NS = 5_000_000;

  /**
   * After how many looks in vain, 100 ms, the reader sleeps until the programs wake it: waking it
   * costs them, and looking all the time costs the machine.
   */
  private static final int QUIET_LOOKS = 20;

  /** How long it sleeps at most, for what nobody wakes it for: names asked for in vain, say. */
  private static final long SLEEP_MS = 100;

  private final KernelProbes probes;

  /** How many events an application's thread reads at once at most; some microseconds each. */
  private static final int PUMP_EVENTS = 256;

  /**
   * How long it waits at most, for whoever reads just now and for records that are being written.
   * Either is a matter of microseconds, but for a thread that had to leave its processor in
   * between: that one is away for some ticks of the scheduler, of 4 or 10 ms each.
   */
  private static final long PUMP_WAIT_NS = 20_000_000;

  /** How often it looks again at once at a record that another thread is writing. */
  private static final int PUMP_SPINS = 100;

  /** How long it leaves the processor before it looks once more. */
  private static final long PUMP_PAUSE_NS = 50_000;

  /** Held by who reads events: one thread at a time. */
  private final ReentrantLock reading = new ReentrantLock();

  /** Who takes the events; nobody before there is somebody, and after the end. */
  private volatile @Nullable Reader reader;

  private volatile @Nullable Runnable onLibraries;
  private volatile boolean stopping;
  private volatile boolean gap;
  private final AtomicLong handled = new AtomicLong();
  private final AtomicLong failed = new AtomicLong();

  private KernelSide(KernelProbes probes) {
    this.probes = probes;
  }

  /** Loads and attaches; the calling thread becomes the agent's. */
  static KernelSide start(int ringBytes, int slots) throws ProbeException {
    return new KernelSide(KernelProbes.open(ringBytes, slots));
  }

  /**
   * Has a sidecar serve this process.
   *
   * @param socket where it listens
   */
  static KernelSide connect(Path socket, int ringBytes, int slots) throws ProbeException {
    return new KernelSide(KernelProbes.connect(socket, ringBytes, slots));
  }

  /** Goes on with another sidecar; what happened meanwhile is not known. */
  void reconnect(Path socket) throws ProbeException {
    probes.reconnect(socket);
    gap = true;
  }

  @Override
  public String level() {
    return probes.isBySidecar() ? "sidecar" : "kernel";
  }

  @Override
  public Ledger ledger() {
    return probes.ledger();
  }

  @Override
  public @Nullable RecentRequests recentRequests() {
    return probes.recentRequests();
  }

  @Override
  public int enrol() {
    try {
      return probes.enrol(false);
    } catch (ProbeException e) {
      return -1;
    }
  }

  @Nullable ProbeException socketsMissing() {
    return probes.socketsMissing();
  }

  KernelProbes probes() {
    return probes;
  }

  long handled() {
    return handled.get();
  }

  long failed() {
    return failed.get();
  }

  /** What becomes of events, and of their loss; used while {@link #reading} is held. */
  private final class Reader implements Consumer<SocketEvent> {
    private final RingReader ring;
    private final SocketEvents events;
    private long lostBefore;

    Reader(RingReader ring, SocketEvents events) {
      this.ring = ring;
      this.events = events;
    }

    @Override
    public void accept(SocketEvent event) {
      try {
        events.accept(event);
      } catch (RuntimeException e) {
        // One event that cannot be handled must not cost the rest.
        failed("a socket event", e);
      }
    }

    int drain(int limit) {
      int count = ring.drain(this, limit);
      handled.addAndGet(count);
      return count;
    }

    /**
     * Everything that there is. Losses are told where the events after them do not show them, since
     * a parser must not pair an answer with the wrong question.
     *
     * @return how many events
     */
    int look() {
      long asked = events.serverTls().asked();
      long written = ring.written();
      int count = drain(Integer.MAX_VALUE);
      try {
        events.poll();
        if (ring.read() >= written) {
          events.serverTls().answer(asked);
        }
      } catch (RuntimeException e) {
        failed("plaintext of TLS", e);
      }
      if (gap) {
        gap = false;
        events.onGap();
      }
      long lost = probes.lostEvents();
      if (lost != lostBefore) {
        lostBefore = lost;
        events.onLoss();
      }
      return count;
    }

    private void failed(String what, RuntimeException e) {
      if (failed.getAndIncrement() == 0) {
        Log.warn(what + " could not be handled: " + e);
      }
    }
  }

  /** From now on events are read into these. */
  void connect(SocketEvents events) {
    RingReader ring = probes.events();
    if (ring != null) {
      reader = new Reader(ring, events);
    }
  }

  /** Reads events as they come, until {@link #stop}. */
  void read() {
    long librariesBefore = 0;
    int quiet = 0;
    while (!stopping) {
      int count = look();
      long libraries = probes.libraryChanges();
      Runnable told = onLibraries;
      if (libraries != librariesBefore && told != null) {
        librariesBefore = libraries;
        told.run();
      }
      if (count > 0) {
        quiet = 0;
      } else if (++quiet < QUIET_LOOKS || !probes.awaitEvents(SLEEP_MS)) {
        LockSupport.parkNanos(this, POLL_NS);
      }
    }
  }

  private int look() {
    reading.lock();
    try {
      Reader current = reader;
      return current == null ? 0 : current.look();
    } finally {
      reading.unlock();
    }
  }

  /** Reads on the calling thread what was written before, so that its own calls are known. */
  @Override
  public boolean pump() {
    RingReader ring = probes.events();
    if (ring == null || reader == null) {
      return true;
    }
    long written = ring.written();
    long begin = System.nanoTime();
    if (!lockReading(PUMP_WAIT_NS)) {
      return false;
    }
    try {
      Reader current = reader;
      if (current == null) {
        return true;
      }
      int count = current.drain(PUMP_EVENTS);
      for (int i = 0; count < PUMP_EVENTS && ring.read() < written; i++) {
        if (i < PUMP_SPINS) {
          Thread.onSpinWait();
        } else if (System.nanoTime() - begin < PUMP_WAIT_NS) {
          LockSupport.parkNanos(this, PUMP_PAUSE_NS);
        } else {
          break;
        }
        count += current.drain(PUMP_EVENTS - count);
      }
      return ring.read() >= written;
    } finally {
      reading.unlock();
    }
  }

  private boolean lockReading(long waitNs) {
    if (reading.tryLock()) {
      return true;
    }
    try {
      return reading.tryLock(waitNs, TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /** What to do, on the thread that reads events, when libraries were mapped or unmapped. */
  void onLibraries(Runnable action) {
    onLibraries = action;
  }

  /**
   * Reads what there still is, on the calling thread, and then no more.
   *
   * @return false if another thread was at it for longer than that
   */
  boolean stop(long waitNs) {
    stopping = true;
    if (!lockReading(waitNs)) {
      return false;
    }
    try {
      Reader last = reader;
      reader = null;
      if (last != null) {
        last.look();
      }
      return true;
    } finally {
      reading.unlock();
    }
  }

  void close() {
    probes.close();
  }
}
