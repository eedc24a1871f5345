package dev.underspan.bridge.span;

import static io.opentelemetry.semconv.ClientAttributes.CLIENT_ADDRESS;
import static io.opentelemetry.semconv.ErrorAttributes.ERROR_TYPE;
import static io.opentelemetry.semconv.HttpAttributes.HTTP_REQUEST_METHOD;
import static io.opentelemetry.semconv.HttpAttributes.HTTP_RESPONSE_STATUS_CODE;
import static io.opentelemetry.semconv.HttpAttributes.HTTP_ROUTE;
import static io.opentelemetry.semconv.NetworkAttributes.NETWORK_PEER_PORT;
import static io.opentelemetry.semconv.NetworkAttributes.NETWORK_PROTOCOL_VERSION;
import static io.opentelemetry.semconv.ServerAttributes.SERVER_ADDRESS;
import static io.opentelemetry.semconv.ServerAttributes.SERVER_PORT;
import static io.opentelemetry.semconv.UrlAttributes.URL_PATH;
import static io.opentelemetry.semconv.UrlAttributes.URL_QUERY;
import static io.opentelemetry.semconv.UrlAttributes.URL_SCHEME;
import static io.opentelemetry.semconv.UserAgentAttributes.USER_AGENT_ORIGINAL;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import dev.underspan.abi.ServerRequest;
import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.activity.ThreadState;
import dev.underspan.bridge.clock.EpochClock;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.context.propagation.TextMapPropagator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Server spans from the handlers' entry, with the kernel's true start. Their time budget is the
 * thread's account from the moment it read the request, {@code idle} what came before: the request
 * lay in the socket, on no thread.
 */
public final class ServerSpans {
  private final Tracer tracer;
  private final TextMapPropagator propagator;
  private final String[] fields;
  private final Activities activities;
  private final AcceptTimes acceptTimes;
  private final EpochClock clock;

  /** Spans go to the tracer; parents come by the propagator. */
  public ServerSpans(
      Tracer tracer,
      TextMapPropagator propagator,
      Activities activities,
      AcceptTimes acceptTimes,
      EpochClock clock) {
    this.tracer = tracer;
    this.propagator = propagator;
    this.fields = propagator.fields().toArray(new String[0]);
    this.activities = activities;
    this.acceptTimes = acceptTimes;
    this.clock = clock;
  }

  /** Names of the headers that {@link #start} wants, in that order. */
  public String[] fields() {
    return fields.clone();
  }

  /** A request in progress. */
  public final class Handle {
    private final Activity activity;
    private Activities.Scope scope;
    private final RequestInfo request;
    private final long startNs;
    private final Budget budget = new Budget();
    private final long[] base = new long[Ledger.KINDS];
    private final long[] end = new long[Ledger.KINDS];
    private final long queueReceive;
    private final long queueAccept;
    private final long rttNs;
    private final long bytesIn;
    private @Nullable ThreadState on;
    private boolean measured;

    /** Whether the account is the ledger's; one begun without the kernel ends without it. */
    private boolean ledger;

    private boolean gaps;

    Handle(
        RequestInfo request,
        Activity activity,
        Activities.Scope scope,
        long startNs,
        long queueReceive,
        long queueAccept,
        @Nullable ServerRequest socket) {
      this.request = request;
      this.activity = activity;
      this.scope = scope;
      this.startNs = startNs;
      this.queueReceive = queueReceive;
      this.queueAccept = queueAccept;
      // Copied: the thread reuses the object for its next request.
      this.rttNs = socket == null ? 0 : socket.rttMicros * 1000L;
      this.bytesIn = socket == null ? 0 : socket.bytesIn;
    }

    /** The thread goes on to other work while the request is unfinished. */
    public void suspend() {
      settle();
      on = null;
      gaps = true;
      activities.detach(scope);
    }

    /** The calling thread takes the request up again. */
    public void resume() {
      scope = activities.attach(activity);
      begin(activities.state());
    }

    /** Opens an interval of the account; the moment it begins at. */
    private long begin(ThreadState state) {
      long at = activities.read(state, base);
      ledger = at != 0;
      if (!ledger) {
        // The moment before: the account is read a little later, and must not reach back.
        long before = System.nanoTime();
        at = ProcessAccount.read(state, base) == 0 ? 0 : before;
      }
      measured = at != 0;
      on = state;
      return measured ? at : System.nanoTime();
    }

    /** Closes it; the moment it ends at. */
    private long settle() {
      ThreadState state = on;
      if (state != null && measured) {
        long at = ledger ? activities.read(state, end) : ProcessAccount.read(state, end);
        if (at != 0) {
          budget.add(base, end);
          return at;
        }
      }
      return System.nanoTime();
    }

    /**
     * The request is finished.
     *
     * @param status HTTP status, 0 if unknown
     */
    public void end(int status, @Nullable String route, @Nullable Throwable error) {
      long now;
      if (on != null && on == activities.state()) {
        now = settle();
        activities.detach(scope);
      } else {
        now = System.nanoTime();
        gaps = true;
      }
      Span span = activity.span();
      if (span.isRecording()) {
        describe(span, status, route, error);
        finishBudget(span, now);
      }
      span.end(clock.epochNanos(now), TimeUnit.NANOSECONDS);
    }

    private void describe(
        Span span, int status, @Nullable String route, @Nullable Throwable error) {
      if (route != null) {
        span.updateName(request.method() + " " + route);
        span.setAttribute(HTTP_ROUTE, route);
      }
      if (status > 0) {
        span.setAttribute(HTTP_RESPONSE_STATUS_CODE, (long) status);
      }
      if (error != null) {
        span.recordException(error);
        span.setAttribute(ERROR_TYPE, error.getClass().getName());
        span.setStatus(StatusCode.ERROR);
      } else if (status >= 500) {
        span.setAttribute(ERROR_TYPE, Integer.toString(status));
        span.setStatus(StatusCode.ERROR);
      }
    }

    private void finishBudget(Span span, long now) {
      long missing = now - startNs - budget.sum();
      // Without the kernel the rest is one kind; a gap between threads is nobody's time.
      if (missing > 0 && gaps) {
        budget.idle += missing;
      } else if (missing > 0 && !ledger) {
        budget.ns[Layout.KIND_OTHER] += missing;
      } else if (missing < 0 && !ledger) {
        // schedstat is brought up to date at ticks only, so a short interval may read too long.
        long excess = budget.take(Layout.KIND_CPU, -missing);
        budget.take(Layout.KIND_RUN_QUEUE, excess);
      }
      budget.writeTo(span);
      span.setAttribute(Keys.LEVEL, ledger ? "kernel" : "process");
      Keys.set(span, Keys.QUEUE_RECEIVE, queueReceive);
      Keys.set(span, Keys.QUEUE_ACCEPT, queueAccept);
      Keys.set(span, Keys.TCP_RTT, rttNs);
      Keys.set(span, Keys.NET_BYTES_IN, bytesIn);
    }
  }

  /**
   * A handler is entered on the calling thread.
   *
   * @param propagation values of {@link #fields()}, null where absent
   */
  public Handle start(RequestInfo request, @Nullable String[] propagation) {
    long now = System.nanoTime();
    ThreadState state = activities.state();
    ServerRequest socket = takeRequest(state, request, now);
    long begin = socket == null ? now : socket.arrivalNs > 0 ? socket.arrivalNs : socket.readNs;
    Context parent = propagator.extract(Context.root(), propagation, new Getter());
    Span span =
        tracer
            .spanBuilder(request.method())
            .setParent(parent)
            .setSpanKind(SpanKind.SERVER)
            .setStartTimestamp(clock.epochNanos(begin), TimeUnit.NANOSECONDS)
            .startSpan();
    if (span.isRecording()) {
      describe(span, request);
    }
    Activity activity = new Activity(parent.with(span));
    long accept = 0;
    if (socket != null && socket.number == 1 && socket.establishedNs > 0) {
      long accepted = acceptTimes.find(socket.localPort, socket.remotePort, socket.establishedNs);
      accept = accepted == 0 ? 0 : accepted - socket.establishedNs;
    }
    Handle handle =
        new Handle(
            request,
            activity,
            activities.attach(activity),
            begin,
            socket == null || socket.arrivalNs == 0 ? 0 : socket.readNs - socket.arrivalNs,
            accept,
            socket);
    if (socket != null && !state.isVirtual()) {
      // The thread has worked on the request since it read it.
      System.arraycopy(socket.account, 0, handle.base, 0, Ledger.KINDS);
      handle.measured = true;
      handle.ledger = true;
      handle.on = state;
      handle.budget.idle = socket.readNs - begin;
    } else {
      handle.budget.idle = handle.begin(state) - begin;
      handle.gaps = state.isVirtual();
    }
    return handle;
  }

  /**
   * The request that the kernel saw this thread read, if it is this one and was not taken before.
   */
  private @Nullable ServerRequest takeRequest(ThreadState state, RequestInfo request, long now) {
    if (!activities.readRequest(state)) {
      return null;
    }
    ServerRequest read = state.request;
    boolean taken = read.cookie == state.takenCookie && read.number <= state.takenNumber;
    boolean other =
        (request.clientPort() > 0 && request.clientPort() != read.remotePort)
            || (request.localPort() > 0 && request.localPort() != read.localPort);
    if (taken || other || read.readNs > now) {
      return null;
    }
    state.takenCookie = read.cookie;
    state.takenNumber = read.number;
    return read;
  }

  private static void describe(Span span, RequestInfo request) {
    span.setAttribute(HTTP_REQUEST_METHOD, request.method());
    span.setAttribute(URL_SCHEME, request.scheme() == null ? "http" : request.scheme());
    span.setAttribute(URL_PATH, request.path());
    span.setAttribute(URL_QUERY, request.query());
    span.setAttribute(CLIENT_ADDRESS, request.clientAddress());
    span.setAttribute(NETWORK_PROTOCOL_VERSION, request.protocolVersion());
    span.setAttribute(USER_AGENT_ORIGINAL, request.userAgent());
    if (request.clientPort() > 0) {
      span.setAttribute(NETWORK_PEER_PORT, (long) request.clientPort());
    }
    String host = request.host();
    if (host != null) {
      span.setAttribute(SERVER_ADDRESS, Authority.host(host));
    }
    if (request.localPort() > 0) {
      span.setAttribute(SERVER_PORT, (long) request.localPort());
    }
  }

  /** Finds a header's value at its name's place among the fields. */
  private final class Getter implements TextMapGetter<@Nullable String[]> {
    @Override
    @SuppressWarnings("deprecation") // abstract all the same
    public Iterable<String> keys(@Nullable String[] carrier) {
      return List.of(fields);
    }

    @Override
    public @Nullable String get(@Nullable String @Nullable [] carrier, String key) {
      if (carrier != null) {
        for (int i = 0; i < fields.length && i < carrier.length; i++) {
          if (fields[i].equalsIgnoreCase(key)) {
            return carrier[i];
          }
        }
      }
      return null;
    }
  }
}
