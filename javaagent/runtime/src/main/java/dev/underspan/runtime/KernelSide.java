package dev.underspan.runtime;

import dev.underspan.abi.Ledger;
import dev.underspan.abi.RecentRequests;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.activity.Kernel;
import dev.underspan.bridge.correlate.SocketEvents;
import dev.underspan.host.KernelProbes;
import dev.underspan.host.ProbeException;
import dev.underspan.host.RingReader;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The kernel's programs while they run, and the thread that reads their events. */
final class KernelSide implements Kernel {
  /** How long an event may lie unread. The programs never wake the reader: that would cost them. */
  private static final long POLL_NS = 5_000_000;

  private final KernelProbes probes;
  private volatile boolean stopping;
  private final AtomicLong handled = new AtomicLong();
  private final AtomicLong failed = new AtomicLong();

  private KernelSide(KernelProbes probes) {
    this.probes = probes;
  }

  /** Loads and attaches; the calling thread becomes the agent's. */
  static KernelSide start(int ringBytes, int slots) throws ProbeException {
    return new KernelSide(KernelProbes.open(ringBytes, slots));
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

  /**
   * Reads events until {@link #stop()}; what then is left in the buffer is still read. The sink
   * learns of losses, since a parser must not pair an answer with the wrong question.
   */
  void read(SocketEvents sink) {
    RingReader ring = probes.events();
    if (ring == null) {
      return;
    }
    Consumer<SocketEvent> guarded =
        event -> {
          try {
            sink.accept(event);
          } catch (RuntimeException e) {
            // One event that cannot be handled must not cost the rest.
            if (failed.getAndIncrement() == 0) {
              Log.warn("a socket event could not be handled: " + e);
            }
          }
        };
    boolean last = false;
    long lostBefore = 0;
    while (true) {
      int count = ring.drain(guarded);
      try {
        sink.poll();
      } catch (RuntimeException e) {
        if (failed.getAndIncrement() == 0) {
          Log.warn("plaintext of TLS could not be handled: " + e);
        }
      }
      long lost = probes.lostEvents();
      if (lost != lostBefore) {
        lostBefore = lost;
        sink.onLoss();
      }
      handled.addAndGet(count);
      if (last) {
        return;
      }
      last = stopping;
      if (count == 0 && !last) {
        LockSupport.parkNanos(this, POLL_NS);
      }
    }
  }

  void stop() {
    stopping = true;
  }

  void close() {
    probes.close();
  }
}
