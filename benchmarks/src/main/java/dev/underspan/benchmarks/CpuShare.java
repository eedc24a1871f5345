package dev.underspan.benchmarks;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/**
 * Which part of an iteration the JVM's Java threads were on a CPU: on a machine that others use
 * too, what an operation costs is its time by the clock times this. Compilers and collectors are
 * not among those threads. For benchmarks of one thread, or of several that take turns.
 */
public final class CpuShare implements InternalProfiler {
  /** Name of the result. */
  static final String NAME = "cpu.share";

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private long beginNs;
  private long beginCpuNs;

  /** JMH makes it in the forked JVM. */
  public CpuShare() {}

  @Override
  public String getDescription() {
    return "part of the time that Java threads were on a CPU";
  }

  private static long cpuNs() {
    long sum = 0;
    for (long id : THREADS.getAllThreadIds()) {
      sum += Math.max(0, THREADS.getThreadCpuTime(id));
    }
    return sum;
  }

  @Override
  public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
    beginCpuNs = cpuNs();
    beginNs = System.nanoTime();
  }

  @Override
  public Collection<? extends Result<?>> afterIteration(
      BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
    double share = (double) (cpuNs() - beginCpuNs) / (System.nanoTime() - beginNs);
    return List.of(new ScalarResult(NAME, share, "", AggregationPolicy.AVG));
  }
}
