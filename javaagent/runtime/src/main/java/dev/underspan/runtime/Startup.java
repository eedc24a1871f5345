package dev.underspan.runtime;

import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.BlockedWatcher;
import dev.underspan.bridge.clock.EpochClock;
import dev.underspan.bridge.correlate.SocketEvents;
import dev.underspan.bridge.export.Telemetry;
import dev.underspan.bridge.span.AcceptTimes;
import dev.underspan.bridge.span.ClientSpans;
import dev.underspan.bridge.span.InjectedSpans;
import dev.underspan.bridge.span.ServerSpans;
import dev.underspan.bridge.wire.WireCounters;
import dev.underspan.host.ProbeException;
import dev.underspan.instrument.Instrumenter;
import io.opentelemetry.api.trace.Tracer;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The longer part of the start, on a thread of the agent's own, in parallel with the application.
 * Whatever fails is told once, and the application goes on.
 */
final class Startup {
  private static final long SHUTDOWN_SECONDS = 3;

  private Startup() {}

  static void run(Configuration configuration, AgentThreads threads) {
    long begin = System.nanoTime();
    NativeAccess.allow();
    KernelSide kernel = null;
    String missing = "";
    try {
      if (configuration.kernel()) {
        kernel = KernelSide.start(configuration.ringBytes(), configuration.slots());
      } else {
        missing = "switched off by underspan.kernel.enabled";
      }
    } catch (ProbeException e) {
      missing = String.valueOf(e.getMessage());
    } catch (RuntimeException | LinkageError e) {
      missing = "the native part cannot be used here: " + e;
    }
    try {
      wire(configuration, threads, kernel, missing, begin);
    } catch (RuntimeException | LinkageError e) {
      Log.warn("cannot start (" + e + "); the application runs without tracing");
      if (kernel != null) {
        kernel.close();
      }
    }
  }

  private static void wire(
      Configuration configuration,
      AgentThreads threads,
      @Nullable KernelSide kernel,
      String missing,
      long begin) {
    Telemetry telemetry = Telemetry.start(AgentMain.class.getClassLoader());
    Tracer tracer = telemetry.tracer(AgentMain.VERSION);
    EpochClock clock = new EpochClock();
    Activities activities = new Activities();
    InjectedSpans injected = new InjectedSpans();
    AcceptTimes acceptTimes = new AcceptTimes();
    WireCounters counters = new WireCounters();
    ServerSpans serverSpans =
        new ServerSpans(tracer, telemetry.propagator(), activities, acceptTimes, clock);
    AdviceRuntime runtime =
        new AdviceRuntime(
            activities, serverSpans, injected, acceptTimes, telemetry.propagator(), threads);
    CountDownLatch drained = new CountDownLatch(1);
    if (kernel != null) {
      activities.connect(kernel);
    }
    if (kernel != null && kernel.socketsMissing() == null) {
      SocketEvents events =
          new SocketEvents(new ClientSpans(tracer, telemetry.ids(), injected, clock), counters);
      runtime.wireIsRead();
      threads
          .daemon(
              "events",
              () -> {
                kernel.read(events);
                drained.countDown();
              })
          .start();
    } else {
      drained.countDown();
    }
    if (kernel != null && configuration.blockedThreshold() > 0) {
      BlockedWatcher watcher =
          new BlockedWatcher(
              activities,
              TimeUnit.MILLISECONDS.toNanos(configuration.blockedThreshold()),
              configuration.blockedRate());
      threads.daemon("blocked", () -> watch(watcher)).start();
    }
    Underspan.install(runtime);
    Runtime.getRuntime()
        .addShutdownHook(
            threads.daemon(
                "shutdown",
                () -> stop(configuration, telemetry, kernel, drained, runtime, counters)));
    try {
      // "ready" is to mean all of it, the JDK's own classes included.
      Instrumenter.awaitReady();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    report(kernel, missing, begin);
  }

  private static void watch(BlockedWatcher watcher) {
    boolean failed = false;
    while (!Thread.currentThread().isInterrupted()) {
      LockSupport.parkNanos(watcher, watcher.interval());
      try {
        watcher.scan();
      } catch (RuntimeException e) {
        if (!failed) {
          failed = true;
          Log.warn("looking for blocked threads failed once: " + e);
        }
      }
    }
  }

  private static void report(@Nullable KernelSide kernel, String missing, long begin) {
    String took = " (ready after " + (System.nanoTime() - begin) / 1_000_000 + " ms)";
    if (kernel == null) {
      Log.info("level process: " + missing + took);
    } else {
      ProbeException sockets = kernel.socketsMissing();
      Log.info(
          sockets == null
              ? "level kernel: ledger and sockets by tracepoints" + took
              : "level kernel: ledger; no client spans from the wire: "
                  + sockets.getMessage()
                  + took);
      ProbeException stops = kernel.probes().safepointsMissing();
      if (stops != null) {
        Log.info("stops of the JVM (GC) are not told apart: " + stops.getMessage());
      }
    }
  }

  private static void stop(
      Configuration configuration,
      Telemetry telemetry,
      @Nullable KernelSide kernel,
      CountDownLatch drained,
      AdviceRuntime runtime,
      WireCounters counters) {
    try {
      if (kernel != null) {
        kernel.stop();
        if (!drained.await(SHUTDOWN_SECONDS, TimeUnit.SECONDS)) {
          Log.warn("events were left unread at the end");
        }
        var seen = kernel.probes().counters();
        long lost = seen.getOrDefault("ring_full", 0L);
        if (configuration.debug() || lost > 0) {
          Log.info("kernel: " + seen + ", handled " + kernel.handled());
          Log.info("wire: " + counters + ", failed " + kernel.failed());
        }
      }
      if (runtime.failures() > 0) {
        Log.info("instrumentation failures: " + runtime.failures());
      }
      telemetry.shutdown(SHUTDOWN_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      if (kernel != null) {
        kernel.close();
      }
    }
  }
}
