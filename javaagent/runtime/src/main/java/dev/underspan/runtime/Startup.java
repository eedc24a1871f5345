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
import dev.underspan.bridge.tls.ClientCertificates;
import dev.underspan.bridge.tls.TlsTap;
import dev.underspan.bridge.wire.WireCounters;
import dev.underspan.host.ProbeException;
import dev.underspan.instrument.Instrumenter;
import io.opentelemetry.api.trace.Tracer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The longer part of the start, on a thread of the agent's own, in parallel with the application.
 * Whatever fails is told once, and the application goes on.
 */
final class Startup implements KernelLink.User {
  private static final long SHUTDOWN_SECONDS = 3;

  /** How often to look for losses. */
  private static final long REPORT_NS = TimeUnit.SECONDS.toNanos(2);

  private final Configuration configuration;
  private final AgentThreads threads;
  private final KernelLink link;
  private final boolean follow;
  private final Telemetry telemetry;
  private final Tracer tracer;
  private final EpochClock clock = new EpochClock();
  private final Activities activities = new Activities();
  private final InjectedSpans injected = new InjectedSpans();
  private final AnnouncedCalls announced = new AnnouncedCalls();
  private final WireCounters counters = new WireCounters();
  private final ClientOwners owners = new ClientOwners();
  private final SelfReport report = new SelfReport();
  private final ServerSpans serverSpans;
  private final ForeignSpans foreign;
  private final ModeReport told;
  private final AdviceRuntime runtime;
  private @Nullable NativeTlsWatch nativeTls;

  private Startup(Configuration configuration, Mode mode, AgentThreads threads, KernelLink link) {
    this.configuration = configuration;
    this.threads = threads;
    this.link = link;
    follow = mode != Mode.STANDALONE && configuration.instrumentation("opentelemetry");
    boolean agent = follow && OtherTracer.agent() != null;
    telemetry = telemetry(mode == Mode.ENRICH || agent);
    tracer = telemetry.tracer(AgentMain.VERSION);
    AcceptTimes acceptTimes = new AcceptTimes();
    serverSpans = new ServerSpans(tracer, telemetry.propagator(), activities, acceptTimes, clock);
    foreign = new ForeignSpans(activities, serverSpans, clock, owners);
    told = new ModeReport(foreign);
    runtime =
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
  }

  static void run(Configuration configuration, Mode mode, AgentThreads threads) {
    long begin = System.nanoTime();
    NativeAccess.allow();
    KernelLink link = new KernelLink(configuration);
    link.open();
    try {
      new Startup(configuration, mode, threads, link).begin(begin);
    } catch (RuntimeException | LinkageError e) {
      Log.warn("cannot start (" + e + "); the application runs without tracing");
      link.close();
    }
  }

  private void begin(long begin) {
    KernelSide kernel = link.kernel();
    if (kernel != null) {
      first(kernel);
    }
    BlockedWatcher blocked =
        configuration.kernel() && configuration.blockedThreshold() > 0
            ? new BlockedWatcher(
                activities,
                TimeUnit.MILLISECONDS.toNanos(configuration.blockedThreshold()),
                configuration.blockedRate())
            : null;
    report.addProcess(activities, runtime, blocked);
    report.addForeign(foreign, owners);
    report.addWire(counters);
    telemetry.observe(report.takeNew(), AgentMain.VERSION);
    threads.daemon("watch", () -> watch(blocked, report)).start();
    UnderspanKafka.install(
        new KafkaAdviceRuntime(
            activities,
            new ProducerSpans(tracer, telemetry.propagator(), activities, clock),
            new ConsumerSpans(tracer, telemetry.propagator(), activities, clock),
            announced,
            runtime::isWireRead,
            follow ? foreign : null));
    Underspan.install(runtime);
    int built = follow ? Underspan.tracerProviders() : 0;
    if (built != 0) {
      told.seen((built & Underspan.AGENT) != 0);
    }
    Runtime.getRuntime().addShutdownHook(threads.daemon("shutdown", this::stop));
    try {
      // "ready" is to mean all of it, the JDK's own classes included.
      Instrumenter.awaitReady();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    tell(kernel, begin);
    link.follow(this, threads);
  }

  @Override
  public void first(KernelSide kernel) {
    report.addKernel(kernel);
    if (kernel.socketsMissing() == null) {
      readWire(kernel);
    }
    telemetry.observe(report.takeNew(), AgentMain.VERSION);
    activities.connect(kernel);
  }

  private void readWire(KernelSide kernel) {
    SocketServers servers =
        configuration.instrumentation("socket-server")
            ? new SocketServers(serverSpans, activities, counters, Underspan::tellEveryRead)
            : null;
    TlsTap tap =
        configuration.instrumentation("tls")
            ? new TlsTap(
                counters, new ClientCertificates(configuration.clientSubject(), counters), servers)
            : null;
    SocketEvents events =
        new SocketEvents(
            new ClientSpans(tracer, telemetry.ids(), injected, announced, clock, kernel.level()),
            owners,
            counters,
            tap,
            servers);
    if (servers != null) {
      runtime.serve(servers, tap);
      report.addServers(servers);
    }
    foreign.connect(kernel, events.serverTls());
    serverSpans.connect(events.serverTls());
    runtime.wireIsRead(true, tap != null);
    if (tap != null) {
      UnderspanTls.install(new TlsAdviceRuntime(tap, activities, threads));
    }
    if (configuration.instrumentation("tls-native")) {
      nativeTls = NativeTlsWatch.start(kernel, threads);
    }
    kernel.connect(events);
    threads.daemon("events", kernel::read).start();
  }

  @Override
  public void gone(KernelSide kernel) {
    activities.disconnect();
    runtime.wireIsRead(false, false);
  }

  @Override
  public void back(KernelSide kernel) {
    activities.connect(kernel);
    runtime.wireIsRead(kernel.socketsMissing() == null, configuration.instrumentation("tls"));
    NativeTlsWatch watch = nativeTls;
    if (watch != null) {
      watch.again();
    }
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
    boolean failed = false;
    long reported = System.nanoTime();
    while (!Thread.currentThread().isInterrupted()) {
      LockSupport.parkNanos(
          report, blocked == null ? REPORT_NS : Math.min(blocked.interval(), REPORT_NS));
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

  private void tell(@Nullable KernelSide kernel, long begin) {
    String took =
        "; " + told.first() + " (ready after " + (System.nanoTime() - begin) / 1_000_000 + " ms)";
    if (kernel == null) {
      Log.info("level process: " + link.missing() + took);
      return;
    }
    ProbeException sockets = kernel.socketsMissing();
    boolean sidecar = kernel.probes().isBySidecar();
    String by = sidecar ? ", by the sidecar at " + link.socket() : "";
    String means = sidecar ? "" : " by " + kernel.probes().socketsBy();
    Log.info(
        "level "
            + kernel.level()
            + (sockets == null
                ? ": ledger and sockets" + means + by
                : ": ledger" + by + "; no client spans from the wire: " + sockets.getMessage())
            + took);
    ProbeException stops = kernel.probes().safepointsMissing();
    if (stops != null) {
      Log.info("stops of the JVM (GC) are not told apart: " + stops.getMessage());
    }
  }

  private void stop() {
    KernelSide kernel = link.kernel();
    try {
      if (kernel != null && !kernel.stop(TimeUnit.SECONDS.toNanos(SHUTDOWN_SECONDS))) {
        Log.warn("events were left unread at the end");
      }
      report.tellAll(configuration.debug());
      if (configuration.debug()) {
        Log.info("wire: " + counters);
      }
      telemetry.shutdown(SHUTDOWN_SECONDS, TimeUnit.SECONDS);
    } finally {
      link.close();
    }
  }
}
