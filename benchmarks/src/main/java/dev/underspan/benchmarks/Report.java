package dev.underspan.benchmarks;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.DoubleStream;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Runs all benchmarks in rounds, so that a busy minute of the machine does not fall on one of them
 * alone, and prints a table: CPU time an operation, its median over all iterations of all rounds,
 * and what of it is more than the baseline of the same run.
 *
 * <p>Arguments: the agent's jar, and the java of a JDK 21 or newer (or nothing: then there are no
 * figures of virtual threads).
 */
public final class Report {
  private static final int ROUNDS = Integer.getInteger("rounds", 2);
  private static final int ITERATIONS = Integer.getInteger("iterations", 5);
  private static final int WARMUP = Integer.getInteger("warmup", 4);
  private static final long ITERATION_MS = Integer.getInteger("millis", 500);

  /** Of each benchmark, the time of each iteration (ns) and its bytes an operation. */
  private final Map<String, double[]> times = new TreeMap<>();

  private final Map<String, Double> bytes = new TreeMap<>();

  /** Those that are of interest with the agent and without. */
  private static final List<String> WITH_AGENT =
      List.of(
          TlsEngineBenchmark.class.getName(),
          EventLoopBenchmark.class.getName(),
          SocketReadBenchmark.class.getName());

  private Report() {}

  /** See the class. */
  public static void main(String[] args) throws RunnerException {
    Report report = new Report();
    for (int round = 1; round <= ROUNDS; round++) {
      System.err.println("round " + round + " of " + ROUNDS + " ...");
      ChainedOptionsBuilder inOurs = options();
      WITH_AGENT.forEach(inOurs::exclude);
      report.run("", inOurs.exclude(VirtualThreadBenchmark.class.getName()));
      report.advice(args[0]);
      if (args.length > 1) {
        report.virtual(args[0], args[1]);
      }
    }
    report.print(args.length > 1);
  }

  private static ChainedOptionsBuilder options() {
    return new OptionsBuilder()
        .forks(1)
        .warmupIterations(WARMUP)
        .warmupTime(TimeValue.milliseconds(ITERATION_MS))
        .measurementIterations(ITERATIONS)
        .measurementTime(TimeValue.milliseconds(ITERATION_MS))
        .timeUnit(TimeUnit.NANOSECONDS)
        .addProfiler(GCProfiler.class)
        .addProfiler(CpuShare.class)
        // Compiling in the foreground: else a busy machine measures half-compiled code.
        .jvmArgs("-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-Xbatch")
        // JavaMonitors of the kernel side looks into Thread.
        .jvmArgsAppend("--add-opens=java.base/java.lang=ALL-UNNAMED")
        .shouldFailOnError(true)
        .verbosity(VerboseMode.SILENT);
  }

  private void advice(String agent) throws RunnerException {
    ChainedOptionsBuilder without = options();
    ChainedOptionsBuilder with = options();
    for (String name : WITH_AGENT) {
      without.include(name);
      with.include(name);
    }
    run("without agent", without);
    run("with agent", with.jvmArgsAppend("-javaagent:" + agent, "-Dotel.traces.exporter=none"));
    run(
        "without socket-server",
        options()
            .include(SocketReadBenchmark.class.getName())
            .jvmArgsAppend(
                "-javaagent:" + agent,
                "-Dotel.traces.exporter=none",
                "-Dunderspan.instrumentation.socket-server.enabled=false"));
  }

  private void virtual(String agent, String java) throws RunnerException {
    String include = VirtualThreadBenchmark.class.getName();
    String oneCarrier = "-Djdk.virtualThreadScheduler.parallelism=1";
    // For JMH's own use of Unsafe, of which newer JDKs warn.
    String quiet = "-XX:+IgnoreUnrecognizedVMOptions";
    String unsafe = "--sun-misc-unsafe-memory-access=allow";
    run(
        "without agent",
        options()
            .include(include)
            .jvm(java)
            .jvmArgsAppend(oneCarrier, quiet, unsafe)
            .param("request", "true"));
    run(
        "with agent",
        options()
            .include(include)
            .jvm(java)
            .jvmArgsAppend(
                oneCarrier,
                quiet,
                unsafe,
                "-javaagent:" + agent,
                "-Dotel.traces.exporter=none",
                "--add-opens=java.base/java.lang=ALL-UNNAMED"));
  }

  private void run(String where, ChainedOptionsBuilder options) throws RunnerException {
    Collection<RunResult> results = new Runner(options.build()).run();
    for (RunResult result : results) {
      BenchmarkParams params = result.getParams();
      String name = params.getBenchmark();
      StringBuilder key =
          new StringBuilder(name.substring(name.lastIndexOf('.', name.lastIndexOf('.') - 1) + 1));
      for (String param : params.getParamsKeys()) {
        key.append(' ').append(param).append('=').append(params.getParam(param));
      }
      if (!where.isEmpty()) {
        key.append(' ').append(where);
      }
      double[] scores =
          result.getBenchmarkResults().stream()
              .flatMap(fork -> fork.getIterationResults().stream())
              .mapToDouble(Report::cpuNanoseconds)
              .toArray();
      times.merge(
          key.toString(),
          scores,
          (a, b) -> DoubleStream.concat(DoubleStream.of(a), DoubleStream.of(b)).toArray());
      double allocated =
          result.getSecondaryResults().values().stream()
              .filter(r -> r.getLabel().endsWith("gc.alloc.rate.norm"))
              .mapToDouble(r -> r.getScore())
              .findFirst()
              .orElse(Double.NaN);
      // What a round allocates once (a class, a buffer) is not the operation's.
      bytes.merge(key.toString(), allocated, Math::min);
    }
  }

  private static double cpuNanoseconds(IterationResult iteration) {
    Result<?> share = iteration.getSecondaryResults().get(CpuShare.NAME);
    return iteration.getPrimaryResult().getScore() * share.getScore();
  }

  // ---- the table -----------------------------------------------------------------------------

  private static final double NO_LIMIT = Double.NaN;

  private void print(boolean virtual) {
    System.out.printf(
        Locale.ROOT, "%-42s %9s %17s %8s%n", "hot paths, by JMH", "CPU ns", "quartiles", "bytes");
    String clock = "SnapshotBenchmark.nanoTime";
    String snapshot = "SnapshotBenchmark.readNow";
    line("System.nanoTime", clock);
    line("snapshot of the own account", snapshot);
    more(snapshot, clock, "nanoTime");
    target("target", 40, 0, value(snapshot), "");
    String another = "SnapshotBenchmark.readAnother";
    line("snapshot of another thread's", another);
    more(another, clock, "nanoTime");

    String plain = "ScopeBenchmark.again ledger=false";
    String again = "ScopeBenchmark.again ledger=true";
    String outermost = "ScopeBenchmark.outermost ledger=true";
    line("scope within its span, no ledger", plain);
    line("scope within its span", again);
    more(again, plain, "no ledger");
    target("target", 10, 0, value(again).less(value(plain)), " more");
    line("outermost scope, no ledger (reads /proc)", "ScopeBenchmark.outermost ledger=false");
    line("outermost scope", outermost);
    more(outermost, plain, "within, no ledger");
    Value rest = value(outermost).less(value(plain)).less(value(snapshot)).less(value(snapshot));
    target("target", 10, 0, rest, " more than that and two snapshots");

    String hint = "BlockingBenchmark.hint";
    line("hint set and cleared", hint);
    target("guide", 2, 0, value(hint), "");
    String announced = "BlockingBenchmark.announced";
    line("blocking announced and over", announced);
    target("guide", 10, 0, value(announced), "");

    String mount = "MountBenchmark.unmountAndMount";
    line("virtual thread off its carrier and on", mount);
    target("target", NO_LIMIT, 0, value(mount), "");
    if (virtual) {
      String without = "VirtualThreadBenchmark.handOver request=true without agent";
      line("hand-over of virtual threads, no agent", without);
      String noSpan = "VirtualThreadBenchmark.handOver request=false with agent";
      line("  with agent, no span", noSpan);
      more(noSpan, without, "no agent");
      String inSpan = "VirtualThreadBenchmark.handOver request=true with agent";
      line("  with agent, in a request", inSpan);
      more(inSpan, without, "no agent");
      target("target", NO_LIMIT, 0, value(inSpan).less(value(without)), " more");
    } else {
      System.out.println("hand-over of virtual threads: not measured, no JDK 21 or newer found");
    }

    advised("TLS, 100 bytes there and back", "TlsEngineBenchmark.thereAndBack size=100");
    advised("TLS, 8000 bytes there and back", "TlsEngineBenchmark.thereAndBack size=8000");
    advised("task of an event loop, no span", "EventLoopBenchmark.handOver request=false");
    advised("task of an event loop, in a request", "EventLoopBenchmark.handOver request=true");
    advised("read of 64 bytes", "SocketReadBenchmark.read");
    String look = "SocketReadBenchmark.read with agent";
    more(look, "SocketReadBenchmark.read without socket-server", "no look at reads");

    line("HTTP exchange, two records to a call", "WireBenchmark.http");
    target("guide", 5000, NO_LIMIT, value("WireBenchmark.http"), "");
    line("PostgreSQL extended query, likewise", "WireBenchmark.postgresql");
    target("guide", 5000, NO_LIMIT, value("WireBenchmark.postgresql"), "");
  }

  private record Value(double ns, double bytes) {
    Value less(Value other) {
      return new Value(ns - other.ns, bytes - other.bytes);
    }
  }

  private Value value(String key) {
    // To whole bytes: the profiler's own allocations are spread over all operations.
    return new Value(quantile(key, 2), Math.rint(bytes.getOrDefault(key, Double.NaN)));
  }

  private double quantile(String key, int quarter) {
    double[] sorted = times.getOrDefault(key, new double[] {Double.NaN}).clone();
    Arrays.sort(sorted);
    double at = (sorted.length - 1) * quarter / 4.0;
    double below = sorted[(int) Math.floor(at)];
    double above = sorted[(int) Math.ceil(at)];
    return below + (above - below) * (at - Math.floor(at));
  }

  private void line(String what, String key) {
    System.out.printf(
        Locale.ROOT,
        "%-42s %9.1f %8.1f-%-8.1f %8.0f%n",
        what,
        value(key).ns,
        quantile(key, 1),
        quantile(key, 3),
        value(key).bytes);
  }

  private void advised(String what, String key) {
    line(what + ", no agent", key + " without agent");
    line("  with agent", key + " with agent");
    more(key + " with agent", key + " without agent", "no agent");
  }

  private void more(String key, String baseline, String name) {
    Value more = value(key).less(value(baseline));
    System.out.printf(
        Locale.ROOT,
        "    against %s: x %.2f, %+.1f ns, %+.0f bytes%n",
        name,
        value(key).ns / value(baseline).ns,
        more.ns,
        more.bytes);
  }

  /** A target is the project's own; a guide is where this table begins to complain. */
  private static void target(
      String kind, double mostNs, double mostBytes, Value value, String more) {
    List<String> parts = new ArrayList<>();
    if (!Double.isNaN(mostNs)) {
      parts.add(
          String.format(
              Locale.ROOT,
              "at most %.0f ns%s: %s",
              mostNs,
              more,
              value.ns <= mostNs ? "met" : String.format(Locale.ROOT, "MISSED, %.1f", value.ns)));
    }
    if (!Double.isNaN(mostBytes)) {
      parts.add(
          String.format(
              Locale.ROOT,
              "%.0f bytes%s: %s",
              mostBytes,
              more.isEmpty() ? "" : " more",
              value.bytes <= mostBytes ? "met" : "MISSED"));
    }
    System.out.println("    " + kind + ": " + String.join("; ", parts));
  }
}
