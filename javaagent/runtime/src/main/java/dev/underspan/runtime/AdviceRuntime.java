package dev.underspan.runtime;

import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.enrich.ForeignSpans;
import dev.underspan.bridge.span.AcceptTimes;
import dev.underspan.bridge.span.InjectedSpans;
import dev.underspan.bridge.span.RequestInfo;
import dev.underspan.bridge.span.ServerSpans;
import dev.underspan.bridge.span.SocketServers;
import dev.underspan.bridge.span.TraceHeaders;
import dev.underspan.bridge.tls.TlsTap;
import dev.underspan.bridge.wire.Peer;
import dev.underspan.bridge.wire.TraceHead;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanId;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapPropagator;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.jspecify.annotations.NullUnmarked;
import org.jspecify.annotations.Nullable;

/** What advice calls, carried out by the bridge. */
@NullUnmarked // the interface speaks plain Java, since it lives in java.lang
final class AdviceRuntime implements UnderspanRuntime {
  private final Activities activities;
  private final ServerSpans serverSpans;
  private final InjectedSpans injected;
  private final AcceptTimes acceptTimes;
  private final TextMapPropagator propagator;
  private final AgentThreads agentThreads;
  private final @Nullable ForeignSpans foreign;
  private final Consumer<Boolean> foreignSeen;
  private final AtomicLong failures = new AtomicLong();

  /** Whether client spans are read from the wire; without that, requests carry the current span. */
  private volatile boolean wire;

  /** Whether also what TLS protects. */
  private volatile boolean tls;

  private volatile @Nullable SocketServers servers;
  private volatile @Nullable TlsTap tap;

  AdviceRuntime(
      Activities activities,
      ServerSpans serverSpans,
      InjectedSpans injected,
      AcceptTimes acceptTimes,
      TextMapPropagator propagator,
      AgentThreads agentThreads,
      @Nullable ForeignSpans foreign,
      Consumer<Boolean> foreignSeen) {
    this.activities = activities;
    this.serverSpans = serverSpans;
    this.injected = injected;
    this.acceptTimes = acceptTimes;
    this.propagator = propagator;
    this.agentThreads = agentThreads;
    this.foreign = foreign;
    this.foreignSeen = foreignSeen;
  }

  /** Servers that no other advice knows get their spans. */
  void serve(SocketServers socketServers, @Nullable TlsTap tlsTap) {
    tap = tlsTap;
    servers = socketServers;
  }

  boolean isWireRead() {
    return wire;
  }

  /** Whether calls are read from the wire, and from within TLS. */
  void wireIsRead(boolean isRead, boolean inTls) {
    tls = isRead && inTls;
    wire = isRead;
  }

  long failures() {
    return failures.get();
  }

  @Override
  public String[] propagationFields() {
    return serverSpans.fields();
  }

  @Override
  public Object serverStart(
      String component,
      String method,
      String scheme,
      String path,
      String query,
      String hostHeader,
      String clientAddress,
      int clientPort,
      int localPort,
      String protocolVersion,
      String userAgent,
      String[] propagationValues) {
    RequestInfo request =
        new RequestInfo(
            component,
            method,
            scheme,
            path,
            query,
            hostHeader,
            clientAddress,
            clientPort,
            localPort,
            protocolVersion,
            userAgent);
    return foreign != null && foreign.isActive()
        ? foreign.enter(request)
        : serverSpans.start(request, propagationValues);
  }

  @Override
  public boolean readWanted(int localPort, boolean begins) {
    SocketServers own = servers;
    return own != null
        && !(foreign != null && foreign.isActive())
        && !agentThreads.isCurrent()
        && (begins || own.isContinued(localPort))
        && own.isWanted(localPort);
  }

  @Override
  public void requestRead(
      byte[] data, int total, int localPort, String remoteAddress, int remotePort) {
    SocketServers own = servers;
    if (own != null) {
      own.onRead(data, data.length, total, new Peer(localPort, remoteAddress, remotePort), false);
    }
  }

  @Override
  public boolean helloWanted(int localPort) {
    return tap != null && readWanted(localPort, true);
  }

  @Override
  public void helloRead(byte[] data, int localPort, String remoteAddress, int remotePort) {
    TlsTap own = tap;
    if (own != null) {
      own.helloRead(data, data.length, new Peer(localPort, remoteAddress, remotePort));
    }
  }

  @Override
  public void serverSuspend(Object handle) {
    if (handle instanceof ServerSpans.Handle own) {
      own.suspend();
    } else if (handle instanceof ForeignSpans.Entry entry) {
      entry.leave();
    }
  }

  @Override
  public void serverResume(Object handle) {
    if (handle instanceof ServerSpans.Handle own) {
      own.resume();
    }
  }

  @Override
  public void serverEnd(Object handle, int status, String route, Throwable error) {
    if (handle instanceof ServerSpans.Handle own) {
      own.end(status, route, error);
    } else if (handle instanceof ForeignSpans.Entry entry) {
      entry.leave();
    }
  }

  @Override
  public void serverRoute(String route) {
    Activity current = activities.current();
    if (current != null) {
      current.noteRoute(route);
    }
  }

  @Override
  public Object currentContext() {
    // The OpenTelemetry agent carries its contexts over threads by itself.
    return foreign != null && foreign.isByAgent() ? null : activities.current();
  }

  @Override
  public Object attach(Object context) {
    return activities.attach((Activity) context);
  }

  @Override
  public void detach(Object scope) {
    activities.detach((Activities.Scope) scope);
  }

  @Override
  public String[] clientInject(String scheme, String host, int port) {
    Activity current = activities.current();
    if (current == null || ForeignSpans.isCall(current)) {
      return null; // whoever made a span for the call also names it in the request
    }
    Context context = current.context();
    if (wire && ("http".equalsIgnoreCase(scheme) || (tls && "https".equalsIgnoreCase(scheme)))) {
      // The client span is made when this request is seen on the wire; its id travels already.
      TraceHead parent = current.head();
      long id;
      do {
        id = ThreadLocalRandom.current().nextLong();
      } while (id == 0);
      SpanContext own = current.span().getSpanContext();
      context =
          context.with(
              Span.wrap(
                  SpanContext.create(
                      own.getTraceId(),
                      SpanId.fromLong(id),
                      own.getTraceFlags(),
                      own.getTraceState())));
      injected.put(id, parent);
    }
    return TraceHeaders.of(propagator, context);
  }

  @Override
  public void accepted(long nanoTime, int localPort, int remotePort) {
    acceptTimes.accepted(nanoTime, localPort, remotePort);
  }

  @Override
  public void threadStarting(Thread thread) {
    activities.threadStarting(thread);
  }

  @Override
  public void virtualThreadStarting(Thread thread) {
    activities.virtualThreadStarting(thread);
  }

  @Override
  public void carrierMount(Thread virtual) {
    activities.mount(virtual);
  }

  @Override
  public void carrierUnmount(Thread virtual) {
    activities.unmount(virtual);
  }

  @Override
  public void virtualRunnable(Thread virtual) {
    activities.virtualRunnable(virtual);
  }

  @Override
  public boolean blocking(int reason) {
    return activities.blocking(reason);
  }

  @Override
  public void unblocked() {
    activities.unblocked();
  }

  @Override
  public void threadEnded(Thread thread) {
    activities.threadEnded(thread);
  }

  @Override
  public void contextAttached(Class<?> storage, Object context, Object scope) {
    if (foreign != null) {
      foreign.attached(storage, context, scope);
    }
  }

  @Override
  public void contextClosed(Object scope) {
    if (foreign != null) {
      foreign.closed(scope);
    }
  }

  @Override
  public void spanStarted(Object span, int kind, long startEpochNanos) {
    if (foreign != null) {
      foreign.started(span, kind, startEpochNanos);
    }
  }

  @Override
  public void spanEnding(Object span, long endEpochNanos) {
    if (foreign != null) {
      foreign.ending(span, endEpochNanos);
    }
  }

  @Override
  public void tracerProviderBuilt(int whose) {
    foreignSeen.accept(whose == Underspan.AGENT);
  }

  @Override
  public boolean isAgentThread() {
    return agentThreads.isCurrent();
  }

  @Override
  public void adviceFailed(String name, Throwable error) {
    if (failures.incrementAndGet() == 1) {
      Log.warn(
          "instrumentation "
              + name
              + " failed ("
              + error
              + "); the application is not affected; further failures are counted only");
    }
  }
}
