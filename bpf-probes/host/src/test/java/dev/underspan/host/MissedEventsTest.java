package dev.underspan.host;

import static dev.underspan.host.TestProbes.MS;
import static dev.underspan.host.TestProbes.assertAddsUp;
import static dev.underspan.host.TestProbes.measure;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.underspan.abi.Layout;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
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

  /** Nanoseconds that the calling thread has waited for a processor, by the scheduler's account. */
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

  private static long queued() throws Exception {
    Path file = Path.of("/proc/thread-self/schedstat");
    return Long.parseLong(Files.readString(file).split(" ")[1].trim());
  }

  @Test
  void aThreadThatWasNotSeenToRunHasItsProcessorTime() throws Exception {
    CountDownLatch measuring = new CountDownLatch(1);
    CountDownLatch unseen = new CountDownLatch(1);
    CountDownLatch seen = new CountDownLatch(1);
    Future<long[]> result =
        start(
            () ->
                measure(
                    probes,
                    () -> {
                      measuring.countDown();
                      unseen.await();
                      spinning = true;
                      spin(60 * MS);
                      spinning = false;
                      seen.await();
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
    while (spinning) {
      Thread.sleep(1);
    }
    Thread.sleep(100);
    seen.countDown();
    long[] account = result.get();
    assertAddsUp(account);
    assertThat(account[Layout.KIND_CPU]).isCloseTo(60 * MS, within(5 * MS));
    // It waited for both latches; by no hint, so for the JVM itself.
    assertThat(account[Layout.KIND_LOCK]).isGreaterThan(100 * MS);
  }

  @Test
  void aThreadThatWasNotSeenToWakeHasItsTimeInTheQueue() throws Exception {
    int processors = Runtime.getRuntime().availableProcessors();
    AtomicBoolean stop = new AtomicBoolean();
    Thread[] spinners = new Thread[2 * processors];
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
    probes.programs().skeleton().detach("on_wakeup");
    try {
      long[] queued = new long[1];
      long[] account =
          start(
                  () -> {
                    pin();
                    return measure(
                        probes,
                        () -> {
                          long before = queued();
                          for (int i = 0; i < 40; i++) {
                            Thread.sleep(2);
                            spin(5 * MS);
                          }
                          queued[0] = queued() - before;
                        });
                  })
              .get();
      assertAddsUp(account);
      assertThat(queued[0]).isGreaterThan(10 * MS);
      assertThat(account[Layout.KIND_RUN_QUEUE]).isCloseTo(queued[0], within(MS + queued[0] / 100));
    } finally {
      stop.set(true);
      for (Thread spinner : spinners) {
        spinner.join();
      }
    }
  }
}
