package dev.underspan.instrument.testapp;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/** Platform threads, and where there are any thousands of virtual ones. */
@SuppressWarnings({"LockNotBeforeTry", "ThreadPriorityCheck"})
public final class ThreadApp {
  private static final int VIRTUAL_THREADS = 5003;

  private ThreadApp() {}

  public static void main(String[] args) throws Exception {
    Thread own = new Thread(() -> {}, "own-thread");
    own.start();
    own.join();
    ExecutorService pool = Executors.newFixedThreadPool(1, r -> new Thread(r, "pool-worker"));
    pool.submit(() -> {}).get();
    pool.shutdown();
    Probe.event("thread own-thread", 1);
    Probe.event("thread pool-worker", 0);
    if (Runtime.version().feature() >= 21) {
      virtual();
    }
    System.out.println("DONE");
  }

  private static void virtual() throws Exception {
    ReentrantLock lock = new ReentrantLock();
    Object monitor = new Object();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < VIRTUAL_THREADS; i++) {
      threads.add(
          (Thread)
              Thread.class
                  .getMethod("startVirtualThread", Runnable.class)
                  .invoke(
                      null,
                      (Runnable)
                          () -> {
                            Probe.context("v");
                            pause();
                            lock.lock();
                            lock.unlock();
                            synchronized (monitor) {
                              Thread.yield();
                            }
                            Probe.recorded("virtual", "v", Probe.context());
                          }));
    }
    for (Thread thread : threads) {
      thread.join();
    }
    if (Probe.recording()) {
      // The last unmount follows the end that join() waits for.
      for (int i = 0; i < 100 && Probe.counts().get(0) != Probe.counts().get(1); i++) {
        Thread.sleep(10);
      }
      Probe.check("balance", Probe.counts().get(0), Probe.counts().get(1));
      Probe.check("mounted", true, Probe.counts().get(0) > VIRTUAL_THREADS);
      Probe.check("started", (long) VIRTUAL_THREADS, Probe.counts().get(2));
      Probe.check("ended", (long) VIRTUAL_THREADS, Probe.counts().get(3));
    }
    wake();
  }

  /** Wakes virtual threads out of a context, which must not become current on their carriers. */
  private static void wake() throws Exception {
    AtomicBoolean awake = new AtomicBoolean();
    Thread sleeper =
        (Thread)
            Thread.class
                .getMethod("startVirtualThread", Runnable.class)
                .invoke(
                    null,
                    (Runnable)
                        () -> {
                          while (!awake.get()) {
                            LockSupport.park();
                          }
                        });
    while (sleeper.getState() != Thread.State.WAITING) {
      Thread.sleep(1);
    }
    Probe.context("waker");
    long attached = Probe.recording() ? Probe.counts().get(4) : 0;
    awake.set(true);
    LockSupport.unpark(sleeper);
    sleeper.join();
    if (Probe.recording()) {
      Probe.check("attached by waking", attached, Probe.counts().get(4));
    }
  }

  private static void pause() {
    try {
      Thread.sleep(3);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
