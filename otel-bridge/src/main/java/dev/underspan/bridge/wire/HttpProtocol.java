package dev.underspan.bridge.wire;

import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/** Client side HTTP/1.x: matches responses to requests in order (RFC 9112, 9.3.2). */
final class HttpProtocol implements Protocol {
  private static final int MAX_PENDING = 64;

  private final Calls sink;
  private final WireCounters counters;
  private final Requests requests;
  private final Responses responses;
  private final ArrayDeque<Exchange> pending = new ArrayDeque<>();
  // Requests after the last pending one that were not kept; their responses come last.
  private int overflow;
  private boolean anyRequest;
  private Verdict verdict = Verdict.CONTINUE;
  // Reads on after an upgrade to HTTP/2.
  private @Nullable Http2Protocol next;
  private Chunk chunk = new Chunk();

  HttpProtocol(Role role, Calls sink, WireCounters counters) {
    if (role != Role.CLIENT) {
      throw new IllegalArgumentException("only the client side is read");
    }
    this.sink = sink;
    this.counters = counters;
    this.requests = new Requests(counters);
    this.responses = new Responses(counters);
  }

  @Override
  public Verdict onChunk(Chunk chunk) {
    if (next != null) {
      return next.onChunk(chunk);
    }
    this.chunk = chunk;
    if (chunk.direction == Direction.SENT) {
      requests.next();
    } else {
      responses.next();
      if (next != null && responses.consumed() < chunk.totalLength) {
        return next.onChunk(chunk.from(responses.consumed()));
      }
    }
    return verdict;
  }

  @Override
  public void onLoss() {
    if (next != null) {
      next.onLoss();
      return;
    }
    counters.callsDropped.add(pending.size());
    pending.clear();
    overflow = 0;
    requests.forget();
    responses.forget();
  }

  @Override
  public void onClose(long timeNs, boolean error) {
    if (next != null) {
      next.onClose(timeNs, error);
      return;
    }
    boolean first = true;
    for (Exchange call : pending) {
      boolean done = first && !error && call.answered();
      if (done && responses.isLost()) {
        counters.resynchronised.increment();
        call.emit(call.lastReceivedNs(), true);
      } else if (done && responses.isUntilClose()) {
        call.emit(call.lastReceivedNs(), true);
      } else {
        call.emit(timeNs, false);
      }
      first = false;
    }
    pending.clear();
  }

  /** A new request begins although the last response's end was not seen: it must have been. */
  private void resynchronise() {
    counters.resynchronised.increment();
    for (Exchange call : pending) {
      if (call.answered()) {
        call.emit(call.lastReceivedNs(), true);
      } else {
        counters.callsDropped.increment();
      }
    }
    pending.clear();
    overflow = 0;
    responses.reset();
  }

  /** RFC 7540, 3.2: the call that asked for HTTP/2 is answered there. */
  private void upgrade(Exchange call) {
    Http2Fields request = new Http2Fields();
    request.method = call.method;
    request.path = call.target;
    request.pathCut = call.targetCut;
    request.scheme = "http";
    request.host = call.host;
    request.injected = call.injected;
    Http2Protocol successor =
        new Http2Protocol(Role.CLIENT, Http2Protocol.Begin.UPGRADE, sink, counters);
    successor.adopt(call, request);
    counters.callsDropped.add(pending.size());
    pending.clear();
    requests.stop();
    responses.stop();
    next = successor;
  }

  private final class Exchange extends PendingCall {
    String method = "";
    String target = "";
    String version = "";
    boolean targetCut;
    boolean emitted;
    @Nullable String host;
    @Nullable TraceHead injected;
    int status;

    Exchange(Chunk first) {
      super(first);
    }

    void emit(long endNs, boolean complete) {
      emitted = true;
      String error =
          !complete
              ? ClientCall.CONNECTION_CLOSED
              : status >= 400 ? Integer.toString(status) : null;
      sink.emit(
          this,
          endNs,
          error,
          complete,
          new ClientCall.Http(method, target, targetCut, host, version, status, injected));
    }
  }

  private final class Requests extends HttpBodyReader {
    private @Nullable Exchange current;

    Requests(WireCounters counters) {
      super(counters);
    }

    void forget() {
      current = null;
      lose();
    }

    void next() {
      // Between its own bytes a request cannot be told from its body, so only where no body is due.
      boolean stray = isLost() || (inBody() && current != null && current.emitted);
      if (stray && HttpSyntax.requestLine(chunk.data, chunk.captured())) {
        counters.resynchronised.increment();
        reset();
      }
      feed(chunk);
    }

    @Override
    void messageBegin() {
      clearFraming();
      if (responses.isLost()) {
        resynchronise();
      }
      current = new Exchange(chunk);
    }

    @Override
    void bytes(long n) {
      if (current != null && !current.emitted) {
        current.sent(chunk, n);
      }
    }

    @Override
    boolean plausibleStart(byte[] line, int length) {
      return HttpSyntax.couldBeRequest(line, length);
    }

    @Override
    boolean startLine(String line, boolean cut) {
      Exchange call = current;
      if (call == null) {
        return false;
      }
      int space = line.indexOf(' ');
      int last = line.lastIndexOf(' ');
      boolean versioned = last > space && line.startsWith("HTTP/1.", last + 1);
      if (space <= 0 || space + 1 >= line.length() || !(versioned || cut)) {
        return false;
      }
      call.method = line.substring(0, space);
      call.target = line.substring(space + 1, versioned ? last : line.length());
      call.targetCut = !versioned;
      call.version = versioned ? line.substring(last + 6) : "";
      anyRequest = true;
      if (overflow > 0 || pending.size() >= MAX_PENDING) {
        overflow++;
        counters.callsDropped.increment();
        current = null;
      } else {
        pending.add(call);
      }
      return true;
    }

    @Override
    void header(String name, String value) {
      super.header(name, value);
      if (current == null) {
        return;
      }
      if (name.equalsIgnoreCase("host")) {
        current.host = value;
      } else if (name.equalsIgnoreCase("traceparent")) {
        current.injected = HttpSyntax.traceparent(value);
      }
    }

    @Override
    void headEnd() {
      requestBody();
    }

    @Override
    void messageEnd() {
      current = null;
    }

    @Override
    void lost() {
      if (!anyRequest) {
        verdict = Verdict.NOT_MINE;
      }
      if (current != null && current.method.isEmpty()) {
        counters.callsDropped.increment();
        current = null;
      }
    }

    @Override
    boolean recover(long window, LostIn in) {
      return in == LostIn.CHUNKED && lastChunk(window);
    }
  }

  private final class Responses extends HttpBodyReader {
    private @Nullable Exchange current;
    private int status;
    private boolean tunnel;
    private boolean toHttp2;

    Responses(WireCounters counters) {
      super(counters);
    }

    void next() {
      feed(chunk);
    }

    void forget() {
      current = null;
      lose();
    }

    @Override
    void messageBegin() {
      clearFraming();
      status = 0;
      toHttp2 = false;
      current = pending.peekFirst();
    }

    @Override
    void bytes(long n) {
      if (current != null && !current.emitted) {
        current.received(chunk, n);
      }
    }

    @Override
    boolean plausibleStart(byte[] line, int length) {
      return HttpSyntax.couldBeStatus(line, length);
    }

    @Override
    boolean startLine(String line, boolean cut) {
      int parsed = HttpSyntax.status(line);
      if (parsed < 0) {
        return false;
      }
      status = parsed;
      if (current != null) {
        current.status = parsed;
      }
      return true;
    }

    @Override
    void header(String name, String value) {
      super.header(name, value);
      toHttp2 |= name.equalsIgnoreCase("upgrade") && value.equalsIgnoreCase("h2c");
    }

    @Override
    void headEnd() {
      String method = current == null ? "" : current.method;
      tunnel = isTunnel(method, status);
      answerBody(method, status);
    }

    @Override
    void messageEnd() {
      Exchange call = current;
      current = null;
      if (status < 200 && status != 101 && status != 0) {
        return;
      }
      if (call != null && call == pending.peekFirst()) {
        pending.poll();
        if (status == 101 && toHttp2) {
          call.emitted = true;
          upgrade(call);
          return;
        }
        call.emit(call.lastReceivedNs(), true);
        if (requests.isLost()) {
          // Whatever the request's end looked like, it was before this.
          requests.reset();
        }
      } else if (overflow > 0) {
        overflow--;
      }
      if (tunnel) {
        counters.upgraded.increment();
        verdict = Verdict.STOP;
        stop();
      }
    }

    @Override
    void lost() {}

    @Override
    boolean recover(long window, LostIn in) {
      return recoverAnswer(current == null ? "" : current.method, window, in);
    }
  }
}
