package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import dev.underspan.abi.ServerRequest;
import dev.underspan.abi.SocketEvent;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * In the kernel: known workloads against the ledger and the events. Needs root and fails without.
 */
@NullUnmarked
class KernelProbesTest {
  private static final long MS = 1_000_000;

  private static KernelProbes probes;

  @BeforeAll
  static void open() throws Exception {
    probes = TestProbes.open();
  }

  @AfterAll
  static void close() {
    if (probes != null) {
      probes.close();
    }
  }

  @Test
  void spinningIsProcessorTimeOrTheWaitForOne() throws Exception {
    long[] account =
        TestProbes.measure(
            probes,
            () -> {
              long end = System.nanoTime() + 100 * MS;
              while (System.nanoTime() < end) {
                Thread.onSpinWait();
              }
            });
    TestProbes.assertAddsUp(account);
    assertThat(account[Layout.KIND_CPU] + account[Layout.KIND_RUN_QUEUE])
        .isBetween(99 * MS, account[Ledger.KINDS] + MS);
    assertThat(account[Layout.KIND_CPU]).isGreaterThan(MS);
  }

  /**
   * A thread that spins, parks and competes, looked at from outside while it is parked: then the
   * kernel's own account of it, /proc/.../schedstat, is exact as well.
   */
  @Test
  void processorAndQueueTimeAgreeWithSchedstat() throws Exception {
    TestProbes.assertAgrees(MS, this::compareWithSchedstat);
  }

  private long compareWithSchedstat() throws Exception {
    BlockingQueue<Integer> orders = new LinkedBlockingQueue<>();
    CountDownLatch enrolled = new CountDownLatch(1);
    AtomicInteger done = new AtomicInteger();
    int[] slot = new int[1];
    Path[] schedstat = new Path[1];
    Thread worker =
        new Thread(
            () -> {
              try {
                slot[0] = probes.enrol(false);
                schedstat[0] = Path.of("/proc/thread-self").toRealPath().resolve("schedstat");
                enrolled.countDown();
                for (int millis = orders.take(); millis >= 0; millis = orders.take()) {
                  spin(millis);
                  done.incrementAndGet();
                }
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });
    worker.start();
    enrolled.await();
    List<Thread> rivals = new ArrayList<>();
    AtomicBoolean stop = new AtomicBoolean();
    for (int i = 0; i < 3; i++) {
      Thread rival =
          new Thread(
              () -> {
                while (!stop.get()) {
                  Thread.onSpinWait();
                }
              });
      rival.start();
      rivals.add(rival);
    }
    TestProbes.awaitParked(worker);
    long takenBefore = TestProbes.takenNanos();
    long[][] before = TestProbes.outside(probes, slot[0], schedstat[0]);
    int rounds = 37; // prime
    for (int i = 0; i < rounds; i++) {
      orders.put(5);
      if (i % 2 == 0) {
        Thread.sleep(3);
      }
    }
    while (done.get() < rounds) {
      Thread.sleep(1);
    }
    TestProbes.awaitParked(worker);
    long[][] after = TestProbes.outside(probes, slot[0], schedstat[0]);
    long taken = TestProbes.takenNanos() - takenBefore;
    stop.set(true);
    orders.put(-1);
    worker.join();
    for (Thread rival : rivals) {
      rival.join();
    }
    long queue = after[1][Layout.KIND_RUN_QUEUE] - before[1][Layout.KIND_RUN_QUEUE];
    assertThat(queue).isGreaterThan(30 * MS);
    // Ours begins when the scheduler tells of a wake-up, its own a moment before, when it queued
    // the thread; where processors are emulated that was up to 50 us each time.
    long less = queue - (after[0][Layout.KIND_RUN_QUEUE] - before[0][Layout.KIND_RUN_QUEUE]);
    assertThat(less).as("less in the queue by").isGreaterThan(-MS);
    long processor = after[1][Layout.KIND_CPU] - before[1][Layout.KIND_CPU];
    assertThat(processor).isGreaterThan(30 * MS);
    long more = after[0][Layout.KIND_CPU] - before[0][Layout.KIND_CPU] - processor;
    assertThat(more).as("more on a processor by").isGreaterThan(-MS);
    return Math.max(more - taken, less);
  }

  private static void spin(int millis) {
    long end = System.nanoTime() + millis * MS;
    while (System.nanoTime() < end) {
      Thread.onSpinWait();
    }
  }

  @Test
  void theHintSaysWhatAFutexIs() throws Exception {
    int[][] kinds = {
      {Layout.HINT_LOCK, Layout.KIND_LOCK},
      {Layout.HINT_WAIT, Layout.KIND_WAIT},
      {Layout.HINT_SLEEP, Layout.KIND_SLEEP},
      {Layout.HINT_NETWORK, Layout.KIND_NETWORK},
    };
    TestProbes.measure(probes, () -> LockSupport.parkNanos(1)); // the first time takes long
    for (int[] kind : kinds) {
      int slot = probes.enrol(false);
      probes.ledger().setHint(slot, (byte) kind[0]);
      long[] account = TestProbes.measure(probes, () -> LockSupport.parkNanos(50 * MS));
      probes.ledger().setHint(slot, (byte) Layout.HINT_NONE);
      TestProbes.assertAddsUp(account);
      assertThat(account[kind[1]]).as("hint %d", kind[0]).isGreaterThan(49 * MS);
    }
  }

  @Test
  void aContendedMonitorNeedsNoHint() throws Exception {
    Object lock = new Object();
    CountDownLatch held = new CountDownLatch(1);
    Thread holder =
        new Thread(
            () -> {
              synchronized (lock) {
                held.countDown();
                try {
                  Thread.sleep(60);
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              }
            });
    TestProbes.Work enter =
        () -> {
          synchronized (lock) {
            assertThat(Thread.holdsLock(lock)).isTrue();
          }
        };
    TestProbes.measure(probes, enter); // the first time takes long
    holder.start();
    held.await();
    long[] account = TestProbes.measure(probes, enter);
    holder.join();
    TestProbes.assertAddsUp(account);
    assertThat(account[Layout.KIND_LOCK]).isGreaterThan(40 * MS);
  }

  @Test
  void waitingForASocketIsNetworkTime() throws Exception {
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        Socket client = new Socket(server.getInetAddress(), server.getLocalPort());
        Socket accepted = server.accept()) {
      Thread writer =
          new Thread(
              () -> {
                try {
                  Thread.sleep(70);
                  accepted.getOutputStream().write(1);
                } catch (Exception e) {
                  throw new IllegalStateException(e);
                }
              });
      InputStream in = client.getInputStream();
      long[] account =
          TestProbes.measure(
              probes,
              () -> {
                writer.start();
                assertThat(in.read()).isEqualTo(1);
              });
      writer.join();
      TestProbes.assertAddsUp(account);
      assertThat(account[Layout.KIND_NETWORK]).isBetween(60 * MS, account[Ledger.KINDS]);
    }
  }

  /** What a test keeps of an event. */
  private record Seen(
      int type,
      int role,
      int total,
      String payload,
      long begin,
      long ns,
      long spanId,
      long traceHigh,
      long established) {}

  private static synchronized List<Seen> drain(int port) {
    List<Seen> seen = new ArrayList<>();
    probes
        .events()
        .drain(
            event -> {
              if (event.localPort() == port || event.remotePort() == port) {
                seen.add(keep(event));
              }
            });
    return seen;
  }

  private static Seen keep(SocketEvent event) {
    return new Seen(
        event.type(),
        event.role(),
        event.total(),
        TestProbes.text(event),
        event.beginNs(),
        event.ns(),
        event.hasHead() ? event.spanId() : 0,
        event.hasHead() ? event.traceIdHigh() : 0,
        event.establishedNs());
  }

  @Test
  void everyRequestIsSeenWithItsSpanAndArrival() throws Exception {
    TestProbes.needSockets();
    int rounds = 211; // prime
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        Socket client = new Socket(server.getInetAddress(), server.getLocalPort());
        Socket accepted = server.accept()) {
      int port = server.getLocalPort();
      int slot = probes.enrol(false);
      drain(port);
      byte[] buffer = new byte[100];
      List<Seen> events = new ArrayList<>();
      ServerRequest request = new ServerRequest();
      for (int i = 1; i <= rounds; i++) {
        probes.ledger().setHead(slot, 0x1111, 0x2222, i, (byte) 1);
        client.getOutputStream().write(("ping " + i).getBytes(StandardCharsets.US_ASCII));
        probes.ledger().clearHead(slot);
        if (i == rounds) {
          TimeUnit.MILLISECONDS.sleep(30); // it lies in the socket meanwhile
        }
        int length = accepted.getInputStream().read(buffer);
        assertThat(length).isPositive();
        assertThat(probes.ledger().readRequest(slot, request)).isTrue();
        assertThat(request.number).isEqualTo(i);
        accepted.getOutputStream().write(buffer, 0, length);
        assertThat(client.getInputStream().read(buffer)).isPositive();
        events.addAll(drain(port));
      }
      assertThat(request.readNs - request.arrivalNs).isBetween(30 * MS, 500 * MS);
      assertThat(request.establishedNs).isPositive();
      assertThat(request.remotePort).isEqualTo(client.getLocalPort());
      assertThat(events).hasSize(4 * rounds);
      List<Seen> requests =
          events.stream()
              .filter(e -> e.type() == Layout.EVENT_SENT && e.role() == Layout.ROLE_CLIENT)
              .toList();
      assertThat(requests).hasSize(rounds);
      for (int i = 1; i <= rounds; i++) {
        Seen seen = requests.get(i - 1);
        assertThat(seen.payload()).isEqualTo("ping " + i);
        assertThat(seen.spanId()).isEqualTo(i);
        assertThat(seen.traceHigh()).isEqualTo(0x1111);
        assertThat(seen.begin()).isLessThanOrEqualTo(seen.ns()).isPositive();
      }
      assertThat(events)
          .filteredOn(e -> e.type() == Layout.EVENT_RECEIVED)
          .hasSize(2 * rounds)
          .allSatisfy(e -> assertThat(e.begin()).isPositive().isLessThanOrEqualTo(e.ns()));
    }
  }

  @Test
  void whoSleepsIsWokenByTheNextEvent() throws Exception {
    TestProbes.needSockets();
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        Socket client = new Socket(server.getInetAddress(), server.getLocalPort());
        Socket accepted = server.accept()) {
      int port = server.getLocalPort();
      for (int i = 0; i < 31; i++) {
        drain(port);
        Thread sleeper = TestProbes.sleepUntilEvent(probes);
        client.getOutputStream().write(i);
        sleeper.join(TestProbes.SLEEP_MS / 2);
        assertThat(sleeper.isAlive()).as("still asleep").isFalse();
        assertThat(drain(port)).isNotEmpty();
        assertThat(accepted.getInputStream().read()).isEqualTo(i);
      }
      drain(port);
      long begin = System.nanoTime();
      probes.awaitEvents(200);
      assertThat(System.nanoTime() - begin).as("nothing to wake for").isGreaterThan(190 * MS);
    }
  }

  @Test
  void agentThreadsAreNeverSeen() throws Exception {
    TestProbes.needSockets();
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      int port = server.getLocalPort();
      CountDownLatch done = new CountDownLatch(1);
      Thread agent =
          new Thread(
              () -> {
                try {
                  probes.enrol(true);
                  // A thread that it starts is the agent's too.
                  Thread child =
                      new Thread(
                          () -> {
                            try (Socket socket = new Socket(server.getInetAddress(), port)) {
                              socket.getOutputStream().write(new byte[10]);
                            } catch (Exception e) {
                              throw new IllegalStateException(e);
                            }
                          });
                  child.start();
                  child.join();
                } catch (Exception e) {
                  throw new IllegalStateException(e);
                }
                done.countDown();
              });
      agent.start();
      try (Socket accepted = server.accept()) {
        done.await();
        assertThat(drain(port)).filteredOn(e -> e.role() != Layout.ROLE_SERVER).isEmpty();
        assertThat(accepted.isConnected()).isTrue();
      }
    }
  }

  @Test
  void aFullBufferIsCounted() throws Exception {
    TestProbes.needSockets();
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        Socket client = new Socket(server.getInetAddress(), server.getLocalPort());
        Socket accepted = server.accept()) {
      drain(0);
      long seenBefore = probes.counters().get("events_seen");
      long lostBefore = probes.counters().get("ring_full");
      byte[] large = new byte[8192];
      int rounds = 101;
      for (int i = 0; i < rounds; i++) {
        client.getOutputStream().write(large);
        accepted.getInputStream().readNBytes(large.length);
      }
      long seen = probes.counters().get("events_seen") - seenBefore;
      long lost = probes.counters().get("ring_full") - lostBefore;
      int[] kept = new int[1];
      int port = server.getLocalPort();
      probes
          .events()
          .drain(
              event -> {
                if (event.localPort() == port || event.remotePort() == port) {
                  kept[0]++;
                }
              });
      assertThat(seen).isGreaterThanOrEqualTo(2L * rounds);
      assertThat(lost).isPositive();
      assertThat(kept[0] + lost).isEqualTo(seen);
    }
  }

  @Test
  void aSlotIsFreedWithItsThread() throws Exception {
    int slots = 61;
    try (KernelProbes small = TestProbes.open(slots)) {
      int first = enrolAtOnce(small, 1).get(0);
      for (int i = 0; i < 2 * slots; i++) {
        enrolAtOnce(small, 1);
      }
      assertThat(small.counters().get("slots_exhausted")).isZero();
      assertThat(small.ledger().generation(first)).isGreaterThan(1);
    }
  }

  @Test
  void moreThreadsThanSlotsAreCountedAndSlotsComeBack() throws Exception {
    int slots = 7;
    int threads = 19;
    try (KernelProbes small = TestProbes.open(slots)) {
      assertThat(enrolAtOnce(small, threads)).hasSize(slots).doesNotHaveDuplicates();
      assertThat(small.counters().get("slots_exhausted")).isEqualTo(threads - slots);
      // All of them have ended: the slots are free again, for other threads.
      List<Integer> again = enrolAtOnce(small, slots);
      assertThat(again).hasSize(slots).doesNotHaveDuplicates();
      assertThat(small.counters().get("slots_exhausted")).isEqualTo(threads - slots);
      for (int slot : again) {
        assertThat(small.ledger().generation(slot)).isEqualTo(2);
      }
    }
  }

  /** The slots that so many threads, all alive at the same time, were given. */
  private static List<Integer> enrolAtOnce(KernelProbes probes, int count) throws Exception {
    List<Integer> given = new ArrayList<>();
    CountDownLatch enrolled = new CountDownLatch(count);
    CountDownLatch leave = new CountDownLatch(1);
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Thread thread =
          new Thread(
              () -> {
                try {
                  int slot = probes.enrol(false);
                  synchronized (given) {
                    if (slot >= 0) {
                      given.add(slot);
                    }
                  }
                  enrolled.countDown();
                  leave.await();
                } catch (ProbeException | InterruptedException e) {
                  throw new IllegalStateException(e);
                }
              });
      thread.start();
      threads.add(thread);
    }
    enrolled.await();
    leave.countDown();
    for (Thread thread : threads) {
      thread.join();
    }
    TimeUnit.MILLISECONDS.sleep(20); // join returns a little before the kernel's thread has ended
    return given;
  }
}
