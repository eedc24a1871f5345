package dev.underspan.host;

import static dev.underspan.host.TestProbes.MS;
import static dev.underspan.host.TestProbes.assertAddsUp;
import static dev.underspan.host.TestProbes.awaitParked;
import static dev.underspan.host.TestProbes.measure;
import static dev.underspan.host.TestProbes.outside;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.underspan.abi.Layout;
import dev.underspan.abi.ServerRequest;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * A kernel may keep some events from tracers: here programs are detached for a while, and the next
 * event that is seen puts the account right.
 */
@NullUnmarked
class MissedEventsTest {
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private final ExecutorService worker = Executors.newSingleThreadExecutor();
  private KernelProbes probes;
  private volatile boolean spinning;
  private volatile boolean attached;

  @BeforeEach
  void open() throws Exception {
    probes = TestProbes.open();
  }

  @AfterEach
  void close() {
    worker.shutdown();
    if (probes != null) {
      probes.close();
    }
  }

  private Future<long[]> start(Callable<long[]> work) {
    return worker.submit(work);
  }

  private static void spin(long cpuNanos) {
    long end = THREADS.getCurrentThreadCpuTime() + cpuNanos;
    while (THREADS.getCurrentThreadCpuTime() < end) {
      Thread.onSpinWait();
    }
  }

  /**
   * The calling thread stays on one processor: when a thread in the queue is moved to another one,
   * the scheduler's note of when it came there begins anew.
   */
  private static void pin() throws Exception {
    String tid = Path.of("/proc/thread-self").toRealPath().getFileName().toString();
    String allowed =
        Files.readAllLines(Path.of("/proc/thread-self/status")).stream()
            .filter(line -> line.startsWith("Cpus_allowed_list:"))
            .map(line -> line.replaceAll(".*:\\s*(\\d+).*", "$1"))
            .findFirst()
            .orElseThrow();
    Process taskset =
        new ProcessBuilder("taskset", "-pc", allowed, tid)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    assertThat(taskset.waitFor()).isZero();
  }

  @Test
  void aThreadThatWasNotSeenToRunHasItsProcessorTime() throws Exception {
    TestProbes.assertAgrees(MS, this::runUnseen);
  }

  private long runUnseen() throws Exception {
    long takenBefore = TestProbes.takenNanos();
    spinning = false;
    attached = false;
    CountDownLatch measuring = new CountDownLatch(1);
    CountDownLatch unseen = new CountDownLatch(1);
    CountDownLatch seen = new CountDownLatch(1);
    long[] processor = new long[1];
    Future<long[]> result =
        start(
            () ->
                measure(
                    probes,
                    () -> {
                      long before = THREADS.getCurrentThreadCpuTime();
                      measuring.countDown();
                      unseen.await();
                      spinning = true;
                      while (!attached) {
                        Thread.onSpinWait();
                      }
                      // Without another event of its own, unless it is preempted.
                      spin(60 * MS);
                      seen.await();
                      processor[0] = THREADS.getCurrentThreadCpuTime() - before;
                    }));
    measuring.await();
    Thread.sleep(50);
    probes.programs().skeleton().detach("on_switch");
    probes.programs().skeleton().detach("on_wakeup");
    unseen.countDown();
    while (!spinning) {
      Thread.sleep(1);
    }
    probes.programs().skeleton().attach("on_wakeup");
    probes.programs().skeleton().attach("on_switch");
    attached = true;
    Thread.sleep(200);
    seen.countDown();
    long[] account = result.get();
    assertAddsUp(account);
    assertThat(account[Layout.KIND_CPU]).isGreaterThan(59 * MS);
    // It waited for both latches; by no hint, so for the JVM itself.
    assertThat(account[Layout.KIND_LOCK]).isGreaterThan(40 * MS);
    return account[Layout.KIND_CPU] - processor[0] - (TestProbes.takenNanos() - takenBefore);
  }

  /** Looked at from outside while it is parked, since then the scheduler's account is exact. */
  @Test
  void aThreadThatWasNotSeenToWakeHasItsTimeInTheQueue() throws Exception {
    BlockingQueue<Integer> orders = new LinkedBlockingQueue<>();
    int[] slot = new int[1];
    Path[] schedstat = new Path[1];
    CountDownLatch enrolled = new CountDownLatch(1);
    Thread sleeper =
        new Thread(
            () -> {
              try {
                pin();
                slot[0] = probes.enrol(false);
                schedstat[0] = Path.of("/proc/thread-self").toRealPath().resolve("schedstat");
                enrolled.countDown();
                while (orders.take() > 0) {
                  for (int i = 0; i < 40; i++) {
                    Thread.sleep(2);
                    spin(5 * MS);
                  }
                }
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });
    sleeper.start();
    enrolled.await();
    AtomicBoolean stop = new AtomicBoolean();
    Thread[] spinners = new Thread[2 * Runtime.getRuntime().availableProcessors()];
    for (int i = 0; i < spinners.length; i++) {
      spinners[i] =
          new Thread(
              () -> {
                while (!stop.get()) {
                  Thread.onSpinWait();
                }
              });
      spinners[i].start();
    }
    try {
      awaitParked(sleeper);
      probes.programs().skeleton().detach("on_wakeup");
      long[][] before = outside(probes, slot[0], schedstat[0]);
      orders.put(1);
      while (!orders.isEmpty()) {
        Thread.sleep(1);
      }
      awaitParked(sleeper);
      long[][] after = outside(probes, slot[0], schedstat[0]);
      long ours = after[0][Layout.KIND_RUN_QUEUE] - before[0][Layout.KIND_RUN_QUEUE];
      long kernel = after[1][Layout.KIND_RUN_QUEUE] - before[1][Layout.KIND_RUN_QUEUE];
      assertThat(kernel).isGreaterThan(10 * MS);
      assertThat(ours).isCloseTo(kernel, within(MS + kernel / 100));
    } finally {
      stop.set(true);
      orders.put(0);
      for (Thread spinner : spinners) {
        spinner.join();
      }
      sleeper.join();
    }
  }

  @Test
  void whoseEstablishmentWasNotSeenIsServedAllTheSame() throws Exception {
    TestProbes.needSockets();
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      List<String> taken = TestProbes.takeAway(probes, "on_set_state");
      try (Socket client = new Socket(server.getInetAddress(), server.getLocalPort());
          Socket accepted = server.accept()) {
        TestProbes.giveBack(probes, taken);
        int slot = probes.enrol(false);
        client.getOutputStream().write(1);
        assertThat(accepted.getInputStream().read()).isOne();
        ServerRequest request = new ServerRequest();
        assertThat(probes.ledger().readRequest(slot, request)).isTrue();
        assertThat(request.remotePort).isEqualTo(client.getLocalPort());
        List<Integer> roles = new ArrayList<>();
        probes
            .events()
            .drain(
                event -> {
                  if (event.localPort() == server.getLocalPort()) {
                    roles.add(event.role());
                  }
                });
        assertThat(roles).containsExactly(Layout.ROLE_SERVER);
        assertThat(probes.counters()).containsEntry("accepts_unseen", 1L);
      }
    }
  }
}
