package dev.underspan.runtime;

import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.BlockedWatcher;
import dev.underspan.bridge.clock.EpochClock;
import dev.underspan.bridge.correlate.SocketEvents;
import dev.underspan.bridge.enrich.ClientOwners;
import dev.underspan.bridge.enrich.ForeignSpans;
import dev.underspan.bridge.export.Telemetry;
import dev.underspan.bridge.span.AcceptTimes;
import dev.underspan.bridge.span.AnnouncedCalls;
import dev.underspan.bridge.span.ClientSpans;
import dev.underspan.bridge.span.ConsumerSpans;
import dev.underspan.bridge.span.InjectedSpans;
import dev.underspan.bridge.span.ProducerSpans;
import dev.underspan.bridge.span.ServerSpans;
import dev.underspan.bridge.span.SocketServers;
import dev.underspan.bridge.tls.TlsTap;
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

  /** How often to look for losses. */
  private static final long REPORT_NS = TimeUnit.SECONDS.toNanos(2);

  private Startup() {}

  static void run(Configuration configuration, Mode mode, AgentThreads threads) {
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
      wire(configuration, mode, threads, kernel, missing, begin);
    } catch (RuntimeException | LinkageError e) {
      Log.warn("cannot start (" + e + "); the application runs without tracing");
      if (kernel != null) {
        kernel.close();
      }
    }
  }

  private static void wire(
      Configuration configuration,
      Mode mode,
      AgentThreads threads,
      @Nullable KernelSide kernel,
      String missing,
      long begin) {
    boolean follow = mode != Mode.STANDALONE && configuration.instrumentation("opentelemetry");
    boolean agent = follow && OtherTracer.agent() != null;
    Telemetry telemetry = telemetry(mode == Mode.ENRICH || agent);
    Tracer tracer = telemetry.tracer(AgentMain.VERSION);
    EpochClock clock = new EpochClock();
    Activities activities = new Activities();
    InjectedSpans injected = new InjectedSpans();
    AnnouncedCalls announced = new AnnouncedCalls();
    AcceptTimes acceptTimes = new AcceptTimes();
    WireCounters counters = new WireCounters();
    ServerSpans serverSpans =
        new ServerSpans(tracer, telemetry.propagator(), activities, acceptTimes, clock);
    ClientOwners owners = new ClientOwners();
    ForeignSpans foreign = new ForeignSpans(activities, serverSpans, clock, owners);
    ModeReport told = new ModeReport(foreign);
    AdviceRuntime runtime =
        new AdviceRuntime(
            activities,
            serverSpans,
            injected,
            acceptTimes,
            telemetry.propagator(),
            threads,
            follow ? foreign : null,
            told::seen);
    if (agent) {
      foreign.activate(true);
    } else if (mode == Mode.ENRICH) {
      foreign.activate(false);
    }
    CountDownLatch drained = new CountDownLatch(1);
    if (kernel != null) {
      activities.connect(kernel);
    }
    SelfReport report = new SelfReport();
    if (kernel != null && kernel.socketsMissing() == null) {
      TlsTap tap = configuration.instrumentation("tls") ? new TlsTap(counters) : null;
      SocketServers servers =
          configuration.instrumentation("socket-server")
              ? new SocketServers(serverSpans, activities, counters)
              : null;
      SocketEvents events =
          new SocketEvents(
              new ClientSpans(tracer, telemetry.ids(), injected, announced, clock),
              owners,
              counters,
              tap,
              servers);
      if (servers != null) {
        runtime.serve(servers);
        report.addServers(servers);
      }
      foreign.connect(kernel);
      serverSpans.connect(events.serverTls());
      runtime.wireIsRead(tap != null);
      if (tap != null) {
        UnderspanTls.install(new TlsAdviceRuntime(tap, activities, threads));
      }
      if (configuration.instrumentation("tls-native")) {
        NativeTlsWatch.start(kernel, threads);
      }
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
    BlockedWatcher blocked =
        kernel != null && configuration.blockedThreshold() > 0
            ? new BlockedWatcher(
                activities,
                TimeUnit.MILLISECONDS.toNanos(configuration.blockedThreshold()),
                configuration.blockedRate())
            : null;
    if (kernel != null) {
      report.addKernel(kernel);
    }
    report.addProcess(activities, runtime, blocked);
    report.addForeign(foreign, owners);
    report.addWire(counters);
    telemetry.observe(report.counters(), AgentMain.VERSION);
    threads.daemon("watch", () -> watch(blocked, report)).start();
    UnderspanKafka.install(
        new KafkaAdviceRuntime(
            activities,
            new ProducerSpans(tracer, telemetry.propagator(), activities, clock),
            new ConsumerSpans(tracer, telemetry.propagator(), activities, clock),
            kernel != null && kernel.socketsMissing() == null ? announced : null,
            follow ? foreign : null));
    Underspan.install(runtime);
    int built = follow ? Underspan.tracerProviders() : 0;
    if (built != 0) {
      told.seen((built & Underspan.AGENT) != 0);
    }
    Runtime.getRuntime()
        .addShutdownHook(
            threads.daemon(
                "shutdown",
                () -> stop(configuration, telemetry, kernel, drained, report, counters)));
    try {
      // "ready" is to mean all of it, the JDK's own classes included.
      Instrumenter.awaitReady();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    report(kernel, missing, told.first(), begin);
  }

  /** Our own SDK; beside another tracer it is of use, but not the main thing. */
  private static Telemetry telemetry(boolean beside) {
    try {
      return Telemetry.start(AgentMain.class.getClassLoader());
    } catch (RuntimeException e) {
      if (!beside) {
        throw e;
      }
      Log.warn("spans of our own for calls that nobody else traces are off: " + e.getMessage());
      return Telemetry.none();
    }
  }

  /** Tells in which mode the agent is: with the level, or later when that changes. */
  private static final class ModeReport {
    private final ForeignSpans foreign;
    private boolean toldFirst;

    ModeReport(ForeignSpans foreign) {
      this.foreign = foreign;
    }

    /** An SDK that makes spans was built. */
    synchronized void seen(boolean agent) {
      boolean news = !foreign.isActive() || (agent && !foreign.isByAgent());
      if (news) {
        foreign.activate(agent);
        if (toldFirst) {
          Log.info(mode());
        }
      }
    }

    synchronized String first() {
      toldFirst = true;
      return mode();
    }

    private String mode() {
      if (!foreign.isActive()) {
        return "mode standalone";
      }
      return foreign.isByAgent()
          ? "mode enrich: the OpenTelemetry agent's spans"
          : "mode enrich: spans of the application's own OpenTelemetry SDK";
    }
  }

  private static void watch(@Nullable BlockedWatcher blocked, SelfReport report) {
    long interval = blocked == null ? REPORT_NS : Math.min(blocked.interval(), REPORT_NS);
    boolean failed = false;
    long reported = System.nanoTime();
    while (!Thread.currentThread().isInterrupted()) {
      LockSupport.parkNanos(report, interval);
      try {
        if (blocked != null) {
          blocked.scan();
        }
        long now = System.nanoTime();
        if (now - reported >= REPORT_NS) {
          reported = now;
          report.tellNew();
        }
      } catch (RuntimeException e) {
        if (!failed) {
          failed = true;
          Log.warn("looking for blocked threads failed once: " + e);
        }
      }
    }
  }

  private static void report(@Nullable KernelSide kernel, String missing, String mode, long begin) {
    String took = "; " + mode + " (ready after " + (System.nanoTime() - begin) / 1_000_000 + " ms)";
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
      SelfReport report,
      WireCounters counters) {
    try {
      if (kernel != null) {
        kernel.stop();
        if (!drained.await(SHUTDOWN_SECONDS, TimeUnit.SECONDS)) {
          Log.warn("events were left unread at the end");
        }
      }
      report.tellAll(configuration.debug());
      if (configuration.debug()) {
        Log.info("wire: " + counters);
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
