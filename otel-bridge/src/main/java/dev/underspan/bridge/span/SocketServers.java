package dev.underspan.bridge.span;

import static io.opentelemetry.semconv.ErrorAttributes.ERROR_TYPE;

import dev.underspan.abi.Ledger;
import dev.underspan.abi.ServerRequest;
import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Kernel;
import dev.underspan.bridge.activity.ThreadState;
import dev.underspan.bridge.map.BoundedMap;
import dev.underspan.bridge.tls.TlsServers;
import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.HttpAnswer;
import dev.underspan.bridge.wire.HttpRequestHead;
import dev.underspan.bridge.wire.HttpRequests;
import dev.underspan.bridge.wire.Peer;
import dev.underspan.bridge.wire.TraceHead;
import dev.underspan.bridge.wire.WireCounters;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Server spans of HTTP/1.x servers that no advice knows: a request begins where a thread reads its
 * head from a socket, and is over when the socket has carried the whole answer. The thread that
 * read it works on it until it reads the next one; whatever it hands to others goes along as usual.
 *
 * <p>Requests that were read with one call (pipelining) are current on no thread: which of them it
 * works on is not told.
 */
public final class SocketServers implements TlsServers {
  private static final int MAX_CONNECTIONS = 16_384;
  private static final int MAX_REQUESTS = 64;
  private static final int MAX_ENDED = 4096;

  private final ServerSpans spans;
  private final Activities activities;
  private final WireCounters counters;
  private final Runnable everyRead;
  private final PortSet continued = new PortSet();
  private final Map<Long, Connection> connections = new ConcurrentHashMap<>();
  private final LongAdder dropped = new LongAdder();

  /** The latest ended ones by span id; used by who takes the events only. */
  private final Map<Long, Request> ended = BoundedMap.byAge(MAX_ENDED);

  /**
   * No request yet.
   *
   * @param everyRead called when reads that do not begin a request are of interest, too
   */
  public SocketServers(
      ServerSpans spans, Activities activities, WireCounters counters, Runnable everyRead) {
    this.everyRead = everyRead;
    this.spans = spans;
    this.activities = activities;
    this.counters = counters;
  }

  /** One connection: requests in progress, whose answers come in their order. */
  private final class Connection {
    final ArrayDeque<Request> requests = new ArrayDeque<>(2);

    /** Whether TLS is on it: what the socket carries is ciphertext. */
    final boolean secured;

    // The rest is used by one thread at a time, as the connection itself.
    final List<HttpRequestHead> heads = new ArrayList<>(1);
    final HttpRequests reader = new HttpRequests(counters, heads::add);
    // Every read is looked at, be it a request's beginning or not.
    boolean continued;
    boolean pipelined;

    // By the thread that takes the events: what the socket had sent with the last one; -1: none
    // yet.
    long carried = -1;

    Connection(boolean secured) {
      this.secured = secured;
    }

    synchronized boolean add(Request request) {
      return requests.size() < MAX_REQUESTS && requests.add(request);
    }

    synchronized boolean isIdle() {
      return requests.isEmpty() && !continued;
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

  @Override
  public boolean isWanted(int localPort) {
    if (!spans.handled().contains(localPort)) {
      return true;
    }
    // What it read before there was advice for that server is not what it works on now.
    activities.closeRead(activities.thread());
    return false;
  }

  @Override
  public boolean isContinued(int localPort) {
    return continued.contains(localPort);
  }

  @Override
  public long onRead(byte[] data, int length, int total, Peer peer, boolean secured) {
    boolean begins = HttpRequests.begins(data, length);
    if (activities.kernel() == null || !(begins || isContinued(peer.localPort()))) {
      return 0;
    }
    ThreadState state = activities.state();
    ServerRequest socket =
        state.slot() < 0
            ? null
            : spans.find(state, peer.localPort(), peer.port(), System.nanoTime());
    if (socket == null
        || socket.localPort != peer.localPort()
        || socket.remotePort != peer.port()) {
      return 0; // not a connection that was accepted
    }
    long cookie = socket.cookie;
    Connection connection = connections.get(cookie);
    if (connection == null || !connection.continued) {
      if (!begins || !activities.closeRead(state) || state.activity() != null) {
        return 0; // it works on something else
      }
      connection = connection == null ? register(cookie, secured) : connection;
      if (connection == null) {
        dropped.increment();
        return 0;
      }
      connection.reader.reset();
    }
    read(connection, state, socket, data, length, total, peer);
    return cookie;
  }

  private void read(
      Connection connection,
      ThreadState state,
      ServerRequest socket,
      byte[] data,
      int length,
      int total,
      Peer peer) {
    HttpRequests reader = connection.reader;
    List<HttpRequestHead> heads = connection.heads;
    heads.clear();
    reader.onRead(data, length, total);
    connection.pipelined |= heads.size() > 1;
    connection.continued = reader.isWithinHead() || (connection.pipelined && !reader.isBetween());
    if (connection.continued && !isContinued(peer.localPort())) {
      continued.add(peer.localPort());
      everyRead.run();
    }
    if (heads.isEmpty() || !activities.closeRead(state) || state.activity() != null) {
      dropped.add(heads.size());
      return;
    }
    for (HttpRequestHead head : heads) {
      Request request = begin(head, state, socket, peer, connection.secured, heads.size() == 1);
      if (!connection.add(request)) {
        dropped.increment();
      } else if (heads.size() == 1) {
        activities.attachRead(state, request.served.activity);
      }
    }
    heads.clear();
  }

  private Request begin(
      HttpRequestHead head,
      ThreadState state,
      ServerRequest socket,
      Peer peer,
      boolean secured,
      boolean alone) {
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
            secured ? "https" : "http",
            head.path(),
            head.query(),
            head.header("host"),
            peer.address(),
            peer.port(),
            peer.localPort(),
            head.version(),
            head.header("user-agent"));
    ServerSpans.Served served = spans.begin(info, propagation, socket, since);
    Kernel kernel = activities.kernel();
    return new Request(
        served,
        new HttpAnswer(head.method(), counters),
        alone && kernel != null ? kernel.ledger().thread(state.slot()) : 0,
        since,
        base);
  }

  private @Nullable Connection register(long cookie, boolean secured) {
    if (connections.size() >= MAX_CONNECTIONS) {
      forgetIdle();
      if (connections.size() >= MAX_CONNECTIONS) {
        return null;
      }
    }
    return connections.computeIfAbsent(cookie, key -> new Connection(secured));
  }

  @Override
  public ClientSpans.@Nullable Account account() {
    ThreadState state = activities.thread();
    Kernel kernel = activities.kernel();
    long[] ns = new long[Ledger.KINDS];
    long at = activities.read(state, ns);
    return at == 0 || kernel == null
        ? null
        : new ClientSpans.Account(at, ns, kernel.ledger().thread(state.slot()));
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
   * A socket has carried something.
   *
   * @param end how many bytes it has sent, these included
   * @param chunk with the sender's account, a {@link ClientSpans.Account}
   */
  public void onCarried(long cookie, long end, Chunk chunk) {
    Connection connection = connections.get(cookie);
    if (connection == null || connection.secured) {
      return;
    }
    if (connection.carried >= 0 && connection.carried != end - chunk.totalLength) {
      onLoss(connection);
    }
    connection.carried = end;
    onSent(cookie, chunk);
  }

  @Override
  public void onSent(long cookie, Chunk chunk) {
    Connection connection = connections.get(cookie);
    if (connection == null || !(chunk.account instanceof ClientSpans.Account account)) {
      return;
    }
    synchronized (connection) {
      Chunk left = chunk;
      while (left != null) {
        left = answer(connection.requests, left, account);
      }
    }
  }

  /** What came behind the end of an answer, if that is the next one's. */
  private @Nullable Chunk answer(
      ArrayDeque<Request> requests, Chunk chunk, ClientSpans.Account account) {
    Request request = requests.peek();
    if (request == null) {
      return null;
    }
    if (requests.size() > 1
        && request.answer.isEndless()
        && request.answer.isBegun()
        && HttpAnswer.begins(chunk)) {
      requests.remove(); // its end was not seen; it must have been
      end(request, request.lastSentNs);
      request = requests.element();
    }
    request.lastSentNs = account.atNs();
    request.answeredBy = account.thread();
    request.account = account.ns();
    if (!request.answer.onChunk(chunk)) {
      return null;
    }
    requests.remove();
    end(request, request.lastSentNs);
    Request next = requests.peek();
    if (next == null || request.answer.behind() == 0) {
      return null;
    }
    Chunk rest = request.answer.rest(chunk);
    if (rest == null) {
      next.lastSentNs = account.atNs();
      next.answer.onMissed();
    }
    return rest;
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

  @Override
  public void onLoss(long cookie) {
    Connection connection = connections.get(cookie);
    if (connection != null) {
      onLoss(connection);
    }
  }

  private static void onLoss(Connection connection) {
    synchronized (connection) {
      Request request = connection.requests.peek();
      if (request != null) {
        request.answer.onLoss();
      }
    }
  }

  /** Events may be missing, of whichever connections. */
  public void onLoss() {
    for (Connection connection : connections.values()) {
      if (!connection.secured) {
        onLoss(connection);
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
