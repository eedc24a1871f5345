package dev.underspan.benchmarks;

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
 * What advice adds when a virtual thread with a span leaves its carrier and comes back. The thread
 * is an ordinary one that stands for a virtual one, since only its id counts; hence this runs on
 * any JDK. Target: 0 bytes, for nothing may be allocated around a mount; in time none was set (two
 * snapshots and a look at the clock are in it).
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class MountBenchmark {
  private final Activities activities = new Activities();
  private final Thread carried = new Thread(() -> {});
  private MappedLedger kernel;

  /** On the measured thread, which is the carrier. */
  @Setup
  public void open() {
    kernel = MappedLedger.open();
    activities.connect(kernel);
    if (activities.state().slot() < 0) {
      throw new IllegalStateException("no slot");
    }
    Activities.Scope scope = activities.attach(TestSpans.activity("00f067aa0ba902b7"));
    activities.virtualThreadStarting(carried);
    activities.detach(scope);
    activities.mount(carried);
  }

  /** Detaches the programs. */
  @TearDown
  public void close() {
    activities.unmount(carried);
    kernel.close();
  }

  /** Parked, made runnable, mounted again. Target: 0 bytes. */
  @Benchmark
  public void unmountAndMount() {
    activities.unmount(carried);
    activities.virtualRunnable(carried);
    activities.mount(carried);
  }
}
