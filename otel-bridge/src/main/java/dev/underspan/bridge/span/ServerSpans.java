package dev.underspan.bridge.span;

import static io.opentelemetry.semconv.ClientAttributes.CLIENT_ADDRESS;
import static io.opentelemetry.semconv.ErrorAttributes.ERROR_TYPE;
import static io.opentelemetry.semconv.HttpAttributes.HTTP_REQUEST_METHOD;
import static io.opentelemetry.semconv.HttpAttributes.HTTP_RESPONSE_STATUS_CODE;
import static io.opentelemetry.semconv.HttpAttributes.HTTP_ROUTE;
import static io.opentelemetry.semconv.NetworkAttributes.NETWORK_PEER_PORT;
import static io.opentelemetry.semconv.NetworkAttributes.NETWORK_PROTOCOL_VERSION;
import static io.opentelemetry.semconv.RpcAttributes.RPC_METHOD;
import static io.opentelemetry.semconv.RpcAttributes.RPC_STATUS_CODE;
import static io.opentelemetry.semconv.RpcAttributes.RPC_SYSTEM_NAME;
import static io.opentelemetry.semconv.ServerAttributes.SERVER_ADDRESS;
import static io.opentelemetry.semconv.ServerAttributes.SERVER_PORT;
import static io.opentelemetry.semconv.UrlAttributes.URL_PATH;
import static io.opentelemetry.semconv.UrlAttributes.URL_QUERY;
import static io.opentelemetry.semconv.UrlAttributes.URL_SCHEME;
import static io.opentelemetry.semconv.UserAgentAttributes.USER_AGENT_ORIGINAL;

import dev.underspan.abi.ServerRequest;
import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.activity.SpanTime;
import dev.underspan.bridge.activity.ThreadState;
import dev.underspan.bridge.clock.EpochClock;
import dev.underspan.bridge.tls.ServerTls;
import dev.underspan.bridge.wire.GrpcSyntax;
import dev.underspan.bridge.wire.TlsFacts;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.context.propagation.TextMapPropagator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Server spans from the handlers' entry, with the kernel's true start. Their time budget is the
 * thread's account from the moment it read the request, {@code idle} what came before: the request
 * lay in the socket, on no thread.
 */
public final class ServerSpans {
  /**
   * Status codes of gRPC that make a server span an error; of the others the client is to blame.
   */
  private static final Set<String> SERVERS_FAULT =
      Set.of(
          "UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS");

  private final Tracer tracer;
  private final TextMapPropagator propagator;
  private final String[] fields;
  private final Activities activities;
  private final AcceptTimes acceptTimes;
  private final EpochClock clock;
  private final PortSet handled = new PortSet();
  private volatile @Nullable ServerTls tls;

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

  /** The ports of servers whose requests come to {@link #start}. */
  PortSet handled() {
    return handled;
  }

  /** From now on spans tell of their connection's TLS. */
  public void connect(ServerTls newTls) {
    tls = newTls;
  }

  private static boolean mayHaveTls(RequestInfo request) {
    return request.localPort() > 0
        && request.clientPort() > 0
        && (request.isGrpc() || "https".equalsIgnoreCase(request.scheme()));
  }

  /**
   * Puts what is known of a request's connection on its server span.
   *
   * @param http2 whether it came by HTTP/2
   */
  public static void describeTls(Span span, TlsFacts facts, boolean http2) {
    TlsAttributes.describe(span, facts);
    if (http2) {
      // Since TLS 1.3 the choice is hidden, but HTTP/2 has no other way (RFC 9113, 3.2).
      span.setAttribute(TlsAttributes.NEXT_PROTOCOL, "h2");
    }
  }

  /** Names of the headers that {@link #start} wants, in that order. */
  public String[] fields() {
    return fields.clone();
  }

  /** A request whose span has begun. */
  final class Served {
    final RequestInfo request;
    final Activity activity;
    private final @Nullable Arrival arrival;

    private final long beginNs;

    private Served(
        RequestInfo request, Activity activity, @Nullable Arrival arrival, long beginNs) {
      this.request = request;
      this.activity = activity;
      this.arrival = arrival;
      this.beginNs = beginNs;
    }

    /** Its activity has ended at that moment; so does the span. */
    void end(long now, int status, @Nullable String route, @Nullable Throwable error) {
      Span span = activity.span();
      if (span.isRecording()) {
        describe(span, status, route == null ? activity.route() : route, error);
        SpanTime time = activity.time();
        time.budget().writeTo(span);
        // On no thread that is known, it was at least the kernel that saw it begin.
        boolean byKernel = time.isByKernel() || (arrival != null && !time.isByProcess());
        span.setAttribute(Keys.LEVEL, activities.level(byKernel));
        if (arrival != null) {
          arrival.writeTo(span);
        }
      }
      long end = activity.anchor().epochNanos(now);
      ServerTls connections = tls;
      if (connections == null || !span.isRecording() || !mayHaveTls(request)) {
        span.end(end, TimeUnit.NANOSECONDS);
        return;
      }
      connections.tell(
          new ServerTls.Connection(
              arrival == null ? 0 : arrival.cookie(),
              request.localPort(),
              request.clientPort(),
              request.clientAddress(),
              beginNs),
          facts -> {
            if (facts != null) {
              describeTls(span, facts, request.isMultiplexed());
            }
            span.end(end, TimeUnit.NANOSECONDS);
          });
    }

    private void describe(
        Span span, int status, @Nullable String route, @Nullable Throwable error) {
      if (route != null) {
        span.updateName(request.method() + " " + route);
        span.setAttribute(HTTP_ROUTE, route);
      }
      if (request.isGrpc()) {
        describeGrpc(span, status);
        return;
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
  }

  /** A request in progress, which is current on the thread that works on it. */
  public final class Handle {
    private final Served served;
    private Activities.@Nullable Scope scope;

    Handle(Served served, Activities.Scope scope) {
      this.served = served;
      this.scope = scope;
    }

    /** The thread goes on to other work while the request is unfinished. */
    public void suspend() {
      Activities.Scope left = scope;
      scope = null;
      if (left != null) {
        activities.detach(left);
      }
    }

    /** The calling thread takes the request up again. */
    public void resume() {
      scope = activities.attach(served.activity);
    }

    /**
     * The request is finished.
     *
     * @param status HTTP status, 0 if unknown
     */
    public void end(int status, @Nullable String route, @Nullable Throwable error) {
      ThreadState state = activities.state();
      long now = activities.end(served.activity);
      Activities.Scope open = scope;
      if (open != null && activities.isOpenHere(open)) {
        activities.detach(open);
      }
      state.takenBlocked = activities.blockedSoFar(state);
      served.end(now, status, route, error);
    }
  }

  private static void describeGrpc(Span span, int code) {
    String status = GrpcSyntax.status(code);
    span.setAttribute(RPC_STATUS_CODE, status);
    if (SERVERS_FAULT.contains(status)) {
      span.setAttribute(ERROR_TYPE, status);
      span.setStatus(StatusCode.ERROR);
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
    ServerRequest socket =
        request.isMultiplexed()
            ? null
            : find(state, request.localPort(), request.clientPort(), now);
    handled.add(socket == null ? request.localPort() : socket.localPort);
    boolean readHere = socket != null && claim(state, socket);
    Served served = begin(request, propagation, socket, now);
    Activities.Scope scope =
        readHere && socket != null
            ? activities.attach(served.activity, socket) // it has worked on it since it read it
            : activities.attach(served.activity);
    return new Handle(served, scope);
  }

  /**
   * Begins a span, with the request's first byte if that is known.
   *
   * @param socket how the request came; null: not known
   * @param now the beginning otherwise
   */
  Served begin(
      RequestInfo request,
      @Nullable String[] propagation,
      @Nullable ServerRequest socket,
      long now) {
    long begin = socket == null ? now : socket.arrivalNs > 0 ? socket.arrivalNs : socket.readNs;
    Context parent = propagator.extract(Context.root(), propagation, new Getter());
    EpochClock.Anchor anchor = clock.anchor();
    Span span =
        tracer
            .spanBuilder(request.method())
            .setParent(parent)
            .setSpanKind(SpanKind.SERVER)
            .setStartTimestamp(anchor.epochNanos(begin), TimeUnit.NANOSECONDS)
            .startSpan();
    if (span.isRecording()) {
      describe(span, request);
    }
    Activity activity = new Activity(parent.with(span), anchor);
    activity.time().begin(begin);
    return new Served(request, activity, socket == null ? null : new Arrival(socket), begin);
  }

  /** How a request came to its handler, by the kernel. */
  public final class Arrival {
    private final long cookie;
    private final int localPort;
    private final int clientPort;
    private final long queueReceive;
    private final long queueAccept;
    private final long rttNs;
    private final long bytesIn;

    // Copied: the thread reuses the object for its next request.
    private Arrival(ServerRequest socket) {
      cookie = socket.cookie;
      localPort = socket.localPort;
      clientPort = socket.remotePort;
      long accepted =
          socket.number == 1 && socket.establishedNs > 0
              ? acceptTimes.take(socket.localPort, socket.remotePort, socket.establishedNs)
              : 0;
      queueAccept = accepted == 0 ? 0 : accepted - socket.establishedNs;
      queueReceive = socket.arrivalNs == 0 ? 0 : socket.readNs - socket.arrivalNs;
      rttNs = socket.rttMicros * 1000L;
      bytesIn = socket.bytesIn;
    }

    /** Whether it came on that one's connection, as far as its handler knows. */
    public boolean isOf(RequestInfo request) {
      return !request.isMultiplexed()
          && (request.clientPort() == clientPort || request.clientPort() == 0)
          && (request.localPort() == localPort || request.localPort() == 0);
    }

    /** The kernel's, of its connection. */
    public long cookie() {
      return cookie;
    }

    /** The port that it came to. */
    public int localPort() {
      return localPort;
    }

    /** The port that it came from. */
    public int clientPort() {
      return clientPort;
    }

    /** Puts it on the request's server span. */
    public void writeTo(Span span) {
      Keys.set(span, Keys.QUEUE_RECEIVE, queueReceive);
      Keys.set(span, Keys.QUEUE_ACCEPT, queueAccept);
      Keys.set(span, Keys.TCP_RTT, rttNs);
      Keys.set(span, Keys.NET_BYTES_IN, bytesIn);
    }
  }

  /** How the request came whose handler the calling thread enters; null where it is not known. */
  public @Nullable Arrival arrival(RequestInfo request) {
    return request.isMultiplexed() ? null : arrival(request.localPort(), request.clientPort());
  }

  /**
   * The same, where no more is known of the request.
   *
   * @param clientPort 0 if unknown
   */
  public @Nullable Arrival arrival(int clientPort) {
    return arrival(0, clientPort);
  }

  private @Nullable Arrival arrival(int localPort, int clientPort) {
    ThreadState state = activities.state();
    ServerRequest socket = find(state, localPort, clientPort, System.nanoTime());
    if (socket == null) {
      return null;
    }
    if (!claim(state, socket) && socket == state.request && clientPort == 0) {
      return null; // somebody's already
    }
    return new Arrival(socket);
  }

  @Nullable ServerRequest find(ThreadState state, int localPort, int clientPort, long now) {
    ServerRequest socket = readBy(state, localPort, clientPort, now);
    if (socket == null
        || (isTaken(state, socket) && activities.blockedSoFar(state) != state.takenBlocked)) {
      // Somebody else read this one, and gave it to the thread.
      socket = readElsewhere(state, localPort, clientPort, now);
    }
    return socket;
  }

  /** Takes a request that the thread itself read; false when it is another's or taken. */
  static boolean claim(ThreadState state, ServerRequest socket) {
    if (socket != state.request || isTaken(state, socket)) {
      return false;
    }
    state.takenCookie = socket.cookie;
    state.takenNumber = socket.number;
    return true;
  }

  /** The request that the kernel saw this thread read, if it is of this one's connection. */
  private @Nullable ServerRequest readBy(
      ThreadState state, int localPort, int clientPort, long now) {
    if (!activities.readRequest(state)) {
      return null;
    }
    ServerRequest read = state.request;
    boolean other =
        (clientPort > 0 && clientPort != read.remotePort)
            || (localPort > 0 && localPort != read.localPort);
    return other || read.readNs > now ? null : read;
  }

  /** What the kernel saw last of this one's connection, whichever thread read it. */
  private @Nullable ServerRequest readElsewhere(
      ThreadState state, int localPort, int clientPort, long now) {
    return clientPort > 0
            && activities.findRequest(state, localPort, clientPort)
            && state.elsewhere.readNs <= now
        ? state.elsewhere
        : null;
  }

  /**
   * Whether an earlier request came with the same read. This one then lay in the process behind it
   * (HTTP pipelining), if the thread has come straight from there.
   */
  private static boolean isTaken(ThreadState state, ServerRequest read) {
    return read.cookie == state.takenCookie && read.number <= state.takenNumber;
  }

  private static void describe(Span span, RequestInfo request) {
    if (request.isGrpc()) {
      span.setAttribute(RPC_SYSTEM_NAME, "grpc");
      span.setAttribute(RPC_METHOD, request.method());
    } else {
      span.setAttribute(HTTP_REQUEST_METHOD, request.method());
      span.setAttribute(URL_SCHEME, request.scheme() == null ? "http" : request.scheme());
    }
    span.setAttribute(URL_PATH, request.path());
    span.setAttribute(URL_QUERY, request.query());
    span.setAttribute(CLIENT_ADDRESS, request.clientAddress());
    span.setAttribute(NETWORK_PROTOCOL_VERSION, version(request.protocolVersion()));
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

  /** HTTP/1.1 is 1.1, and HTTP/2.0 is 2. */
  private static @Nullable String version(@Nullable String protocol) {
    if (protocol == null || !protocol.startsWith("HTTP/")) {
      return protocol;
    }
    return protocol.equals("HTTP/2.0") ? "2" : protocol.substring("HTTP/".length());
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
