package dev.underspan.benchmarks;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import dev.underspan.bridge.activity.Activities;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * What advice on park, sleep and wait adds to a call that blocks for microseconds at least. The
 * project set no target in time; the guide is 10 ns for the pair, and 0 bytes.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class BlockingBenchmark {
  private final Activities activities = new Activities();
  private MappedLedger kernel;
  private Ledger ledger;
  private int slot;

  /** On the measured thread. */
  @Setup
  public void open() {
    kernel = MappedLedger.open();
    ledger = kernel.ledger();
    activities.connect(kernel);
    slot = activities.state().slot();
    if (slot < 0) {
      throw new IllegalStateException("no slot");
    }
  }

  /** Detaches the programs. */
  @TearDown
  public void close() {
    kernel.close();
  }

  /** The two stores alone. Guide: at most 2 ns, 0 bytes. */
  @Benchmark
  public void hint() {
    ledger.setHint(slot, (byte) Layout.HINT_WAIT);
    ledger.setHint(slot, (byte) Layout.HINT_NONE);
  }

  /** As advice does it. Guide: at most 10 ns, 0 bytes. */
  @Benchmark
  public void announced() {
    if (activities.blocking(Layout.HINT_WAIT)) {
      activities.unblocked();
    }
  }
}
