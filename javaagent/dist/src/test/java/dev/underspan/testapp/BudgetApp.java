package dev.underspan.testapp;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.Method;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Requests whose time is known: /KIND/anything spends it and answers with what it measured itself,
 * in nanoseconds. Knows nothing of the agent. Argument: platform or virtual, the threads that
 * handle requests. Prints "port N", answers until its standard input ends.
 */
@SuppressWarnings("FutureReturnValueIgnored")
public final class BudgetApp {
  private static final long MS = 1_000_000;
  private static final ExecutorService POOL = Executors.newFixedThreadPool(2);
  private static final BlockingQueue<Runnable> ERRANDS = new LinkedBlockingQueue<>();
  private static final List<byte[]> LIVE = new ArrayList<>();

  private BudgetApp() {}

  private interface Work {
    void run() throws Exception;
  }

  private static long timed(Work work) throws Exception {
    long start = System.nanoTime();
    work.run();
    return System.nanoTime() - start;
  }

  private static void spin(long millis) {
    long end = System.nanoTime() + millis * MS;
    while (System.nanoTime() < end) {
      Thread.onSpinWait();
    }
  }

  /** On a thread that no context follows to: the request's own time alone is to be seen. */
  private static Future<?> elsewhere(Runnable errand) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    ERRANDS.add(
        () -> {
          errand.run();
          done.complete(null);
        });
    return done;
  }

  private static void startHelpers() {
    for (int i = 0; i < 400; i++) {
      Thread helper =
          new Thread(
              () -> {
                try {
                  while (true) {
                    ERRANDS.take().run();
                  }
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              });
      helper.setDaemon(true);
      helper.start();
    }
  }

  private static long monitor() throws Exception {
    Object lock = new Object();
    CountDownLatch held = new CountDownLatch(1);
    elsewhere(
        () -> {
          synchronized (lock) {
            held.countDown();
            pause(80);
          }
        });
    held.await();
    return timed(
        () -> {
          synchronized (lock) {
            Thread.onSpinWait();
          }
        });
  }

  private static long reentrant() throws Exception {
    ReentrantLock lock = new ReentrantLock();
    CountDownLatch held = new CountDownLatch(1);
    elsewhere(
        () -> {
          lock.lock();
          try {
            held.countDown();
            pause(80);
          } finally {
            lock.unlock();
          }
        });
    held.await();
    long waited = timed(lock::lock);
    lock.unlock();
    return waited;
  }

  private static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @SuppressWarnings("WaitNotInLoop") // its time is what is measured
  private static long objectWait() throws Exception {
    Object monitor = new Object();
    synchronized (monitor) {
      return timed(() -> monitor.wait(80));
    }
  }

  private static long future() throws Exception {
    Future<?> result = elsewhere(() -> pause(80));
    return timed(result::get);
  }

  private static long network() throws Exception {
    try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      elsewhere(
          () -> {
            try (Socket peer = server.accept()) {
              pause(80);
              peer.getOutputStream().write(1);
            } catch (IOException e) {
              throw new IllegalStateException(e);
            }
          });
      try (Socket socket = new Socket(server.getInetAddress(), server.getLocalPort())) {
        return timed(() -> socket.getInputStream().read());
      }
    }
  }

  private static long disk() throws Exception {
    Path file = Files.createTempFile("underspan-budget", null);
    try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
      return timed(
          () -> {
            for (int i = 0; i < 64; i++) {
              out.write(new byte[1 << 20]);
            }
            out.getFD().sync();
          });
    } finally {
      Files.delete(file);
    }
  }

  private static long safepoint() throws Exception {
    if (LIVE.isEmpty()) {
      for (int i = 0; i < 200_000; i++) {
        LIVE.add(new byte[64]);
      }
    }
    AtomicBoolean stop = new AtomicBoolean();
    Future<?> collector =
        elsewhere(
            () -> {
              while (!stop.get()) {
                System.gc();
              }
            });
    spin(300);
    stop.set(true);
    return timed(collector::get);
  }

  private static long runQueue() throws Exception {
    long before = schedstat();
    AtomicBoolean stop = new AtomicBoolean();
    int spinners = 2 * Runtime.getRuntime().availableProcessors();
    CountDownLatch running = new CountDownLatch(spinners);
    List<Future<?>> others = new ArrayList<>();
    for (int i = 0; i < spinners; i++) {
      others.add(
          elsewhere(
              () -> {
                running.countDown();
                while (!stop.get()) {
                  Thread.onSpinWait();
                }
              }));
    }
    running.await();
    spin(300);
    stop.set(true);
    for (Future<?> other : others) {
      other.get();
    }
    return schedstat() - before;
  }

  /** Time in the run queue by the kernel's other account, nanoseconds. */
  private static long schedstat() throws IOException {
    return Long.parseLong(Files.readString(Path.of("/proc/thread-self/schedstat")).split(" ")[1]);
  }

  /** Runnable, but the one carrier is another virtual thread's. */
  private static long carrier() throws Exception {
    Method start = Thread.class.getMethod("startVirtualThread", Runnable.class);
    CountDownLatch taken = new CountDownLatch(1);
    Runnable hog =
        () -> {
          taken.countDown();
          spin(80);
        };
    return timed(
        () ->
            elsewhere(
                    () -> {
                      try {
                        start.invoke(null, hog);
                        taken.await();
                      } catch (ReflectiveOperationException | InterruptedException e) {
                        throw new IllegalStateException(e);
                      }
                    })
                .get());
  }

  /** A class of its own each time, whose initialiser sleeps: a virtual thread is pinned. */
  private static long pinned() throws Exception {
    byte[] classFile;
    try (InputStream in = BudgetApp.class.getResourceAsStream("PinnedWork.class")) {
      classFile = in.readAllBytes();
    }
    return timed(() -> MethodHandles.lookup().defineHiddenClass(classFile, true));
  }

  /** A hundred virtual threads that yield, contend and park a hundred times each. */
  @SuppressWarnings("ThreadPriorityCheck") // yields are what is tried
  private static long storm() throws Exception {
    ReentrantLock lock = new ReentrantLock();
    Object monitor = new Object();
    AtomicInteger entered = new AtomicInteger();
    ExecutorService threads =
        (ExecutorService) Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
    List<Future<?>> all = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      all.add(
          threads.submit(
              () -> {
                for (int round = 0; round < 100; round++) {
                  Thread.yield();
                  lock.lock();
                  try {
                    synchronized (monitor) {
                      entered.incrementAndGet();
                    }
                  } finally {
                    lock.unlock();
                  }
                  if (round % 10 == 0) {
                    pause(1);
                  }
                }
              }));
    }
    long waited =
        timed(
            () -> {
              for (Future<?> one : all) {
                one.get();
              }
            });
    threads.shutdown();
    if (entered.get() != 10_000) {
      throw new IllegalStateException(entered + " of 10000");
    }
    return waited;
  }

  private static long fanOut() throws Exception {
    Future<?> first = POOL.submit(() -> spin(60));
    Future<?> second = POOL.submit(() -> spin(60));
    return timed(
        () -> {
          first.get();
          second.get();
        });
  }

  private static final Map<String, Callable<Long>> KINDS =
      Map.ofEntries(
          Map.entry("cpu", () -> timed(() -> spin(80))),
          Map.entry("run_queue", BudgetApp::runQueue),
          Map.entry("lock", BudgetApp::monitor),
          Map.entry("reentrant", BudgetApp::reentrant),
          Map.entry("wait", BudgetApp::objectWait),
          Map.entry("future", BudgetApp::future),
          Map.entry("sleep", () -> timed(() -> Thread.sleep(80))),
          Map.entry("long", () -> timed(() -> Thread.sleep(350))),
          Map.entry("network", BudgetApp::network),
          Map.entry("disk", BudgetApp::disk),
          Map.entry("safepoint", BudgetApp::safepoint),
          Map.entry("carrier", BudgetApp::carrier),
          Map.entry("pinned", BudgetApp::pinned),
          Map.entry("storm", BudgetApp::storm),
          Map.entry("fanout", BudgetApp::fanOut));

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    startHelpers();
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 1000);
    server.createContext(
        "/",
        exchange -> {
          byte[] body;
          int status = 200;
          try {
            String kind = exchange.getRequestURI().getPath().split("/")[1];
            body = KINDS.get(kind).call().toString().getBytes(StandardCharsets.US_ASCII);
          } catch (Exception e) {
            body = e.toString().getBytes(StandardCharsets.UTF_8);
            status = 500;
          }
          exchange.sendResponseHeaders(status, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    ExecutorService executor =
        args[0].equals("virtual")
            ? (ExecutorService)
                Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null)
            : Executors.newFixedThreadPool(8);
    server.setExecutor(executor);
    server.start();
    System.out.println("port " + server.getAddress().getPort());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    server.stop(0);
    executor.shutdown();
    POOL.shutdown();
  }
}
