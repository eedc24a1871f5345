package dev.underspan.host;

import static dev.underspan.host.TestProbes.MS;
import static dev.underspan.host.TestProbes.assertAddsUp;
import static dev.underspan.host.TestProbes.measure;
import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import dev.underspan.host.TestProbes.Work;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Time of known kinds, without any hint from Java. */
@NullUnmarked
class KindsTest {
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  /** How late a thread may be, in all, after the ends of nine periods of a quota. */
  private static final long PERIOD_ENDS = 24 * MS;

  private static KernelProbes probes;

  @TempDir Path directory;

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
  @SuppressWarnings("WaitNotInLoop") // its time is what is measured
  void nativeWaitsOfTheJvmAreToldApartByItsOwnFields() throws Exception {
    Object monitor = new Object();
    long[] waiting =
        measure(
            probes,
            () -> {
              synchronized (monitor) {
                monitor.wait(60);
              }
            });
    assertAddsUp(waiting);
    // On a busy machine the timer may be late; the wait is never shorter.
    assertThat(waiting[Layout.KIND_WAIT]).isGreaterThan(58 * MS);
    assertThat(waiting[Layout.KIND_LOCK] + waiting[Layout.KIND_SLEEP]).isLessThan(2 * MS);
    long[] sleeping = measure(probes, () -> Thread.sleep(60));
    assertAddsUp(sleeping);
    assertThat(sleeping[Layout.KIND_SLEEP]).isGreaterThan(58 * MS);
    assertThat(sleeping[Layout.KIND_LOCK] + sleeping[Layout.KIND_WAIT]).isLessThan(2 * MS);
  }

  @Test
  void aPipeIsAWaitForWhoeverWrites() throws Exception {
    Pipe pipe = Pipe.open();
    Thread writer =
        new Thread(
            () -> {
              try {
                Thread.sleep(60);
                pipe.sink().write(ByteBuffer.wrap(new byte[1]));
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });
    writer.start();
    long[] account = measure(probes, () -> pipe.source().read(ByteBuffer.allocate(1)));
    writer.join();
    assertAddsUp(account);
    assertThat(account[Layout.KIND_WAIT]).isGreaterThan(20 * MS);
    assertThat(account[Layout.KIND_NETWORK]).isZero();
    assertThat(account[Layout.KIND_DISK]).isZero();
  }

  @Test
  void writingToTheDeviceIsDisk() throws Exception {
    Path file = directory.resolve("big");
    byte[] block = new byte[1 << 20];
    try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
      long[] account =
          measure(
              probes,
              () -> {
                for (int i = 0; i < 48; i++) {
                  out.write(block);
                }
                out.getFD().sync();
              });
      assertAddsUp(account);
      assertThat(account[Layout.KIND_DISK]).isPositive();
      assertThat(account[Layout.KIND_OTHER]).isLessThan(MS);
    }
  }

  /** A thread that would run while the JVM stands still, against the JVM's own log of its stops. */
  @Test
  void stopsOfTheJvmAreNeitherLockNorProcessor() throws Exception {
    List<byte[]> live = new ArrayList<>();
    for (int i = 0; i < 200_000; i++) {
      live.add(new byte[64]);
    }
    AtomicBoolean stop = new AtomicBoolean();
    Thread collector =
        new Thread(
            () -> {
              while (!stop.get()) {
                System.gc();
              }
            });
    Pauses pauses = new Pauses();
    long[] account;
    List<SafepointLog.Stop> stops;
    try (SafepointLog log = new SafepointLog(directory.resolve("safepoints"))) {
      collector.start();
      account = measure(probes, () -> pauses.watch(600 * MS));
      stop.set(true);
      collector.join();
      stops = log.stops();
    }
    assertAddsUp(account);
    assertThat(live).hasSize(200_000);
    long wall = account[Ledger.KINDS];
    long begin = account[Ledger.KINDS + 1];
    long stopped = stops.stream().mapToLong(s -> s.within(begin, begin + wall)).sum();
    long still = stops.stream().mapToLong(pauses::during).sum();
    String told =
        "%s of %d; asked to stop %d, paused while all stood still %d, in %d stops"
            .formatted(Arrays.toString(account), wall, stopped, still, stops.size());
    assertThat(still).as(told).isGreaterThan(100 * MS);
    // Until the stop reaches it the thread runs, and after it, it waits for a processor.
    long held =
        account[Layout.KIND_SAFEPOINT] + account[Layout.KIND_CPU] + account[Layout.KIND_RUN_QUEUE];
    assertThat(held).as(told).isGreaterThan(wall - wall / 50);
    assertThat(account[Layout.KIND_SAFEPOINT])
        .as(told)
        .isBetween(
            still
                - account[Layout.KIND_RUN_QUEUE]
                - account[Layout.KIND_CPU] // a processor of a virtual machine pauses as well
                - Math.max(MS, still / 100),
            stopped + Math.max(MS, stopped / 100));
    // Handshakes with the JVM are waits on a futex too, without a stop.
    assertThat(account[Layout.KIND_LOCK]).isLessThan(wall / 50);
  }

  /**
   * When a thread that only reads the clock did not run. The JVM tells a stop as over some time
   * after it let its threads go on, so what its log calls a stop may not have held this one.
   */
  private static final class Pauses {
    private static final long LEAST = 5_000;

    private final long[] ends = new long[1 << 16];
    private final long[] lengths = new long[1 << 16];
    private int size;

    void watch(long nanos) {
      long last = System.nanoTime();
      long end = last + nanos;
      while (last < end && size < ends.length) {
        long now = System.nanoTime();
        if (now - last > LEAST) {
          ends[size] = now;
          lengths[size++] = now - last;
        }
        last = now;
      }
    }

    long during(SafepointLog.Stop stop) {
      long sum = 0;
      for (int i = 0; i < size; i++) {
        sum += stop.stillWithin(ends[i] - lengths[i], ends[i]);
      }
      return sum;
    }
  }

  /** A CPU quota of a fifth of a processor, by cgroup v1 or v2, for one thread of this process. */
  @Test
  void aSpentQuotaIsThrottled() throws Exception {
    TestProbes.assertAgrees(MS, this::spendQuota);
  }

  private long spendQuota() throws Exception {
    Quota quota = Quota.create();
    CountDownLatch done = new CountDownLatch(1);
    long[][] account = new long[1][];
    Throwable[] failure = new Throwable[1];
    long[] throttled = new long[1];
    long[] inside = new long[1];
    long[] around = new long[1];
    long[] millis = {1};
    Thread spinner =
        new Thread(
            () -> {
              try {
                Work spin =
                    () -> {
                      long processorBefore = THREADS.getCurrentThreadCpuTime();
                      long end = System.nanoTime() + millis[0] * MS;
                      while (System.nanoTime() < end) {
                        Thread.onSpinWait();
                      }
                      inside[0] = THREADS.getCurrentThreadCpuTime() - processorBefore;
                    };
                // What is done for the first time takes long, and spends quota outside of the
                // measured time.
                measure(probes, spin);
                quota.throttledNanos();
                millis[0] = 900;
                quota.enter(quota.group());
                long before = quota.throttledNanos();
                long outerBefore = THREADS.getCurrentThreadCpuTime() + TestProbes.takenNanos();
                account[0] = measure(probes, spin);
                around[0] =
                    THREADS.getCurrentThreadCpuTime() + TestProbes.takenNanos() - outerBefore;
                throttled[0] = quota.throttledNanos() - before;
                quota.enter(quota.group().getParent());
              } catch (Throwable t) {
                failure[0] = t;
              } finally {
                done.countDown();
              }
            });
    spinner.start();
    done.await();
    spinner.join();
    quota.remove();
    assertThat(failure[0]).isNull();
    assertAddsUp(account[0]);
    // The cgroup's own count ends with the period, the thread's wait when it runs again.
    long late = account[0][Layout.KIND_THROTTLED] - throttled[0];
    assertThat(late).as("throttled for longer by").isGreaterThan(-25 * MS);
    // On a busy machine it may not even come to spend all of its quota.
    assertThat(account[0][Layout.KIND_THROTTLED]).isGreaterThan(50 * MS);
    assertThat(inside[0]).isBetween(10 * MS, 320 * MS);
    // Nothing else than that, but for the JVM's own waits on a busy machine.
    assertThat(account[0][Layout.KIND_THROTTLED] + account[0][Layout.KIND_RUN_QUEUE])
        .isGreaterThan(account[0][Ledger.KINDS] - account[0][Layout.KIND_CPU] - 25 * MS);
    // CLOCK_THREAD_CPUTIME_ID is exact at any moment.
    assertThat(account[0][Layout.KIND_CPU]).isGreaterThan(inside[0] - MS);
    return Math.max(account[0][Layout.KIND_CPU] - around[0], late - PERIOD_ENDS);
  }

  /** A cgroup that allows 20 ms in each 100. */
  private record Quota(Path group, boolean v1) {
    static Quota create() throws Exception {
      Path v1 = Path.of("/sys/fs/cgroup/cpu");
      if (Files.exists(v1.resolve("cpu.cfs_quota_us"))) {
        Path group =
            Files.createDirectory(v1.resolve("underspan-test-" + ProcessHandle.current().pid()));
        Files.writeString(group.resolve("cpu.cfs_period_us"), "100000");
        Files.writeString(group.resolve("cpu.cfs_quota_us"), "20000");
        return new Quota(group, true);
      }
      Path root = Path.of("/sys/fs/cgroup");
      Files.writeString(root.resolve("cgroup.subtree_control"), "+cpu");
      Path group =
          Files.createDirectory(root.resolve("underspan-test-" + ProcessHandle.current().pid()));
      Files.writeString(group.resolve("cgroup.type"), "threaded");
      Files.writeString(group.resolve("cpu.max"), "20000 100000");
      return new Quota(group, false);
    }

    void enter(Path other) throws Exception {
      String tid = Path.of("/proc/thread-self").toRealPath().getFileName().toString();
      Files.writeString(other.resolve(v1 ? "tasks" : "cgroup.threads"), tid);
    }

    long throttledNanos() throws Exception {
      for (String line : Files.readAllLines(group.resolve("cpu.stat"))) {
        if (line.startsWith("throttled_time ")) {
          return Long.parseLong(line.substring(15));
        }
        if (line.startsWith("throttled_usec ")) {
          return Long.parseLong(line.substring(15)) * 1000;
        }
      }
      throw new IllegalStateException("no throttled time in cpu.stat");
    }

    void remove() throws Exception {
      Files.delete(group);
    }
  }
}
