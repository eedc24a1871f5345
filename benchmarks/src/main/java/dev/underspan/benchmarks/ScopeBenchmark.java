package dev.underspan.benchmarks;

import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * A scope opened and closed: {@link Activities#attach} and {@link Activities#detach}. Target: with
 * the ledger at most 10 ns and 0 bytes more than the same pair without.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class ScopeBenchmark {
  /** A thread with a slot of the mapped ledger, or without a kernel side. */
  @State(Scope.Thread)
  public static class OneThread {
    /** Whether there is a kernel side. */
    @Param({"false", "true"})
    public boolean ledger;

    final Activities activities = new Activities();
    final Activity activity = TestSpans.activity("00f067aa0ba902b7");
    private MappedLedger kernel;

    /** On the measured thread. */
    @Setup
    public void open() {
      if (ledger) {
        kernel = MappedLedger.open();
        activities.connect(kernel);
        if (activities.state().slot() < 0) {
          throw new IllegalStateException("no slot");
        }
      }
    }

    /** Detaches the programs. */
    @TearDown
    public void close() {
      if (kernel != null) {
        kernel.close();
      }
    }
  }

  /** A thread on which the activity is current in an outer scope. */
  @State(Scope.Thread)
  public static class Within extends OneThread {
    private Activities.Scope outer;

    /** On the measured thread, after the other. */
    @Setup
    public void enter() {
      outer = activities.attach(activity);
    }

    /** The outer scope. */
    @TearDown
    public void leave() {
      activities.detach(outer);
    }
  }

  /**
   * A span that is current here already is made current again, as context propagation does. Target:
   * at most 10 ns and 0 bytes more than without the ledger.
   */
  @Benchmark
  public void again(Within thread) {
    thread.activities.detach(thread.activities.attach(thread.activity));
  }

  /**
   * A span comes to the thread and goes: the account is read at both. Target: 0 bytes more than
   * without the ledger; in time, no more than {@link #again} without the ledger, two snapshots and
   * 10 ns. (The same pair without the ledger is no measure: it reads a file of /proc twice.)
   */
  @Benchmark
  public void outermost(OneThread thread) {
    thread.activities.detach(thread.activities.attach(thread.activity));
  }
}
