package dev.underspan.benchmarks;

import dev.underspan.abi.Ledger;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * A copy of an account out of the mapped ledger. Target: at most 40 ns for the own one, of which
 * {@link #nanoTime} is a part.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class SnapshotBenchmark {
  /** The measured thread's slot, and that of a thread that waits. */
  @State(Scope.Thread)
  public static class Slots {
    final long[] into = new long[Ledger.KINDS];
    Ledger ledger;
    int own;
    int another;
    private MappedLedger kernel;
    private final CountDownLatch over = new CountDownLatch(1);

    /** On the measured thread. */
    @Setup
    public void open() throws InterruptedException {
      kernel = MappedLedger.open();
      ledger = kernel.ledger();
      own = kernel.enrol();
      CountDownLatch enrolled = new CountDownLatch(1);
      AtomicInteger slot = new AtomicInteger(-1);
      Thread waiting =
          new Thread(
              () -> {
                slot.set(kernel.enrol());
                enrolled.countDown();
                try {
                  over.await();
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              });
      waiting.start();
      enrolled.await();
      another = slot.get();
      if (own < 0 || another < 0) {
        throw new IllegalStateException("no slot");
      }
    }

    /** Detaches the programs. */
    @TearDown
    public void close() {
      over.countDown();
      kernel.close();
    }
  }

  /** What of a snapshot is the clock's: the baseline of the two below. */
  @Benchmark
  public long nanoTime() {
    return System.nanoTime();
  }

  /** The thread's own account, closed now. Target: at most 40 ns, 0 bytes. */
  @Benchmark
  public long readNow(Slots slots) {
    return slots.ledger.readNow(slots.own, slots.into);
  }

  /** Another thread's account, as the end of a span reads it. No target of its own; 0 bytes. */
  @Benchmark
  public long readAnother(Slots slots) {
    long now = System.nanoTime();
    slots.ledger.read(slots.another, slots.into, now);
    return now;
  }
}
