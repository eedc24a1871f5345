package dev.underspan.bridge.span;

import static io.opentelemetry.semconv.ErrorAttributes.ERROR_TYPE;

import dev.underspan.abi.Ledger;
import dev.underspan.abi.ServerRequest;
import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Kernel;
import dev.underspan.bridge.activity.ThreadState;
import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.HttpAnswer;
import dev.underspan.bridge.wire.HttpRequestHead;
import dev.underspan.bridge.wire.TraceHead;
import dev.underspan.bridge.wire.WireCounters;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Server spans of HTTP/1.x servers that no advice knows: a request begins where a thread reads its
 * head from a socket, and is over when the socket has carried the whole answer. The thread that
 * read it works on it until it reads the next one; whatever it hands to others goes along as usual.
 *
 * <p>Of requests read with one call (pipelining) only the first is seen.
 */
public final class SocketServers {
  private static final int MAX_CONNECTIONS = 16_384;
  private static final int MAX_REQUESTS = 64;
  private static final int MAX_ENDED = 4096;

  private final ServerSpans spans;
  private final Activities activities;
  private final WireCounters counters;
  private final Map<Long, Connection> connections = new ConcurrentHashMap<>();
  private final LongAdder dropped = new LongAdder();

  /** The latest ended ones by span id; used by who takes the events only. */
  private final Map<Long, Request> ended =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Request> eldest) {
          return size() > MAX_ENDED;
        }
      };

  /** No request yet. */
  public SocketServers(ServerSpans spans, Activities activities, WireCounters counters) {
    this.spans = spans;
    this.activities = activities;
    this.counters = counters;
  }

  /** Requests in progress on one connection; answers come in their order. */
  private static final class Connection {
    final ArrayDeque<Request> requests = new ArrayDeque<>(2);

    synchronized boolean add(Request request) {
      return requests.size() < MAX_REQUESTS && requests.add(request);
    }

    synchronized boolean isIdle() {
      return requests.isEmpty();
    }
  }

  private static final class Request {
    final ServerSpans.Served served;
    final HttpAnswer answer;

    /** Who read it, as the ledger names threads; 0: without an account. */
    final long thread;

    final long since;
    final long[] base;
    long lastSentNs;
    long answeredBy;
    long[] account = {};

    Request(ServerSpans.Served served, HttpAnswer answer, long thread, long since, long[] base) {
      this.served = served;
      this.answer = answer;
      this.thread = thread;
      this.since = since;
      this.base = base;
    }
  }

  // ---- on the threads that read ----------------------------------------------------------------

  /** Whether what was read from a connection to this port is of interest. */
  public boolean isWanted(int localPort) {
    if (!spans.handled().contains(localPort)) {
      return true;
    }
    // What it read before there was advice for that server is not what it works on now.
    activities.closeRead(activities.thread());
    return false;
  }

  /**
   * The calling thread has just read what begins like a request.
   *
   * @param length how much of data that is
   */
  public void onRead(byte[] data, int length, int localPort, String remoteAddress, int remotePort) {
    Kernel kernel = activities.kernel();
    HttpRequestHead head = HttpRequestHead.read(data, length);
    if (kernel == null || head == null) {
      return;
    }
    ThreadState state = activities.state();
    if (!activities.closeRead(state) || state.activity() != null || state.slot() < 0) {
      return; // it works on something else
    }
    ServerRequest socket = spans.find(state, localPort, remotePort, System.nanoTime());
    if (socket == null || socket.localPort != localPort || socket.remotePort != remotePort) {
      return; // not a connection that was accepted
    }
    long[] base = new long[Ledger.KINDS];
    long since;
    if (ServerSpans.claim(state, socket)) {
      System.arraycopy(socket.account, 0, base, 0, base.length);
      since = socket.readNs;
    } else {
      since = activities.read(state, base);
    }
    String[] propagation = spans.fields();
    for (int i = 0; i < propagation.length; i++) {
      propagation[i] = head.header(propagation[i]);
    }
    RequestInfo info =
        new RequestInfo(
            "socket-server",
            head.method(),
            "http",
            head.path(),
            head.query(),
            head.header("host"),
            remoteAddress,
            remotePort,
            localPort,
            head.version(),
            head.header("user-agent"));
    ServerSpans.Served served = spans.begin(info, propagation, socket, since);
    Request request =
        new Request(
            served,
            new HttpAnswer(head.method(), counters),
            kernel.ledger().thread(state.slot()),
            since,
            base);
    if (register(socket.cookie, request)) {
      activities.attachRead(state, served.activity);
    } else {
      dropped.increment();
    }
  }

  private boolean register(long cookie, Request request) {
    if (connections.size() >= MAX_CONNECTIONS && !connections.containsKey(cookie)) {
      forgetIdle();
      if (connections.size() >= MAX_CONNECTIONS) {
        return false;
      }
    }
    boolean[] added = new boolean[1];
    connections.compute(
        cookie,
        (key, known) -> {
          Connection connection = known == null ? new Connection() : known;
          added[0] = connection.add(request);
          return connection;
        });
    return added[0];
  }

  /** Without a request in progress nothing is known of a connection; its end may have been lost. */
  private void forgetIdle() {
    for (Long cookie : connections.keySet()) {
      connections.computeIfPresent(
          cookie, (key, connection) -> connection.isIdle() ? null : connection);
    }
  }

  /** Requests whose span was begun, and whose end was not seen. */
  public long dropped() {
    return dropped.sum();
  }

  // ---- on the thread that takes the events -----------------------------------------------------

  /** Whether a request of the connection is in progress. */
  public boolean isOpen(long cookie) {
    return connections.containsKey(cookie);
  }

  /**
   * The server has sent something.
   *
   * @param chunk with the sender's account, a {@link ClientSpans.Account}
   */
  public void onSent(long cookie, Chunk chunk) {
    Connection connection = connections.get(cookie);
    if (connection == null || !(chunk.account instanceof ClientSpans.Account account)) {
      return;
    }
    synchronized (connection) {
      Request request = connection.requests.peek();
      if (request == null) {
        return;
      }
      if (connection.requests.size() > 1
          && request.answer.isEndless()
          && request.answer.isBegun()
          && HttpAnswer.begins(chunk)) {
        connection.requests.remove(); // its end was not seen; it must have been
        end(request, request.lastSentNs);
        request = connection.requests.element();
      }
      request.lastSentNs = account.atNs();
      request.answeredBy = account.thread();
      request.account = account.ns();
      if (request.answer.onChunk(chunk)) {
        connection.requests.remove();
        end(request, request.lastSentNs);
      }
    }
  }

  /** The connection is over. */
  public void onClosed(long cookie, long atNs) {
    Connection connection = connections.remove(cookie);
    if (connection == null) {
      return;
    }
    synchronized (connection) {
      for (Request request : connection.requests) {
        end(request, request.answer.isBegun() ? request.lastSentNs : atNs);
      }
      connection.requests.clear();
    }
  }

  /** Events may be missing, of whichever connections. */
  public void onLoss() {
    for (Connection connection : connections.values()) {
      synchronized (connection) {
        Request request = connection.requests.peek();
        if (request != null) {
          request.answer.onLoss();
        }
      }
    }
  }

  private void end(Request request, long atNs) {
    if (spans.handled().contains(request.served.request.localPort())) {
      return; // told by the advice that came after
    }
    boolean one = request.answeredBy != 0 && request.answeredBy == request.thread;
    activities.endAnswered(
        request.served.activity,
        atNs,
        one ? request.since : 0,
        request.base,
        request.answeredBy,
        request.account);
    request.lastSentNs = atNs;
    ended.put(request.served.activity.head().spanId(), request);
    if (!request.answer.isBegun()) {
      Span span = request.served.activity.span();
      span.setAttribute(ERROR_TYPE, ClientCall.CONNECTION_CLOSED);
      span.setStatus(StatusCode.ERROR);
    }
    request.served.end(atNs, request.answer.status(), null, null);
  }

  /**
   * What a thread works on that the kernel has seen with the span: nothing, if that has ended and
   * the thread only read no other request since.
   */
  public @Nullable TraceHead stillOpen(@Nullable TraceHead head, long thread, long atNs) {
    Request request = head == null || ended.isEmpty() ? null : ended.get(head.spanId());
    return request != null && request.thread == thread && request.lastSentNs < atNs ? null : head;
  }
}
