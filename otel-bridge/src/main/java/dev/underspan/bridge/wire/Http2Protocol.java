package dev.underspan.bridge.wire;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Client side HTTP/2 (RFC 9113), and gRPC over it: a call a stream.
 *
 * <p>If frames were missed, a stream's end may have been among them. One that had been asked for
 * whole, and of which nothing more comes for a while, is then taken to have ended there.
 */
final class Http2Protocol implements Protocol {
  private static final int MAX_STREAMS = 1024;
  private static final long QUIET_NS = 30_000_000_000L;
  private static final long CHECK_NS = 1_000_000_000L;

  /** How the connection came to be read. */
  enum Begin {
    PREFACE,
    MIDWAY,
    /** After an HTTP/1.1 Upgrade: the preface comes, and stream 1 is in use. */
    UPGRADE
  }

  private final Calls sink;
  private final WireCounters counters;
  private final Requests requests;
  private final Responses responses;
  private final Map<Integer, Stream> streams = new LinkedHashMap<>();
  // Of those opened by the client; 0 = none seen.
  private int highest;
  private boolean sure;
  // Whether requests name their spans.
  private boolean announcing;
  // When to look again for ends that may have gone by unseen.
  private long checkNs = Long.MAX_VALUE;
  private Verdict verdict = Verdict.CONTINUE;
  private Chunk chunk = new Chunk();

  Http2Protocol(Role role, Begin begin, Calls sink, WireCounters counters) {
    if (role != Role.CLIENT) {
      throw new IllegalArgumentException("only the client side is read");
    }
    this.sink = sink;
    this.counters = counters;
    boolean midway = begin == Begin.MIDWAY;
    this.requests = new Requests(midway);
    this.responses = new Responses(midway);
    this.sure = !midway;
    if (!midway) {
      requests.expectPreface();
    }
  }

  /** The request that asked for the upgrade: it is answered on stream 1 (RFC 7540, 3.2). */
  void adopt(PendingCall call, Http2Fields request) {
    Stream stream = new Stream(call);
    stream.request(request);
    stream.askedWhole = true;
    streams.put(1, stream);
    highest = 1;
  }

  @Override
  public Verdict onChunk(Chunk chunk) {
    this.chunk = chunk;
    if (chunk.timeNs >= checkNs) {
      endQuiet();
    }
    if (chunk.direction == Direction.SENT) {
      requests.feed(chunk);
    } else {
      responses.feed(chunk);
    }
    return verdict;
  }

  @Override
  public void onLoss() {
    counters.callsDropped.add(streams.size());
    streams.clear();
    checkNs = Long.MAX_VALUE;
    Verdict before = verdict;
    requests.forget();
    responses.forget();
    verdict = before;
    // How many calls there were meanwhile is not known.
    highest = 0;
  }

  @Override
  public void onClose(long timeNs, boolean error) {
    for (Stream stream : new ArrayList<>(streams.values())) {
      if (stream.doubtNs == 0) {
        stream.emit(timeNs, ClientCall.CONNECTION_CLOSED, false);
      } else {
        stream.giveUp();
      }
    }
    streams.clear();
  }

  private void endQuiet() {
    checkNs = Long.MAX_VALUE;
    for (Iterator<Stream> all = streams.values().iterator(); all.hasNext(); ) {
      Stream stream = all.next();
      if (stream.doubtNs != 0 && stream.askedWhole) {
        if (chunk.timeNs - stream.doubtNs > QUIET_NS) {
          all.remove();
          stream.emit(stream.doubtNs, null, true);
        } else {
          checkNs = chunk.timeNs + CHECK_NS;
        }
      }
    }
  }

  /** Gives up the eldest stream that may have ended. */
  private boolean makeRoom() {
    for (Iterator<Stream> all = streams.values().iterator(); all.hasNext(); ) {
      Stream stream = all.next();
      if (stream.doubtNs != 0) {
        all.remove();
        stream.giveUp();
        return true;
      }
    }
    return false;
  }

  private void end(int id, @Nullable String error, boolean complete) {
    Stream stream = streams.remove(id);
    if (stream != null) {
      stream.emit(chunk.timeNs, error, complete);
    }
  }

  private final class Stream extends PendingCall {
    final Http2Body requestBody = new Http2Body();
    final Http2Body responseBody = new Http2Body();
    Http2Fields request = new Http2Fields();
    boolean described;
    boolean grpc;
    // Length of the first DATA frame; 0 = none yet.
    int firstData;
    int status;
    int grpcStatus = -1;
    // When an end may have gone by unseen; 0 = it did not.
    long doubtNs;
    // Whether the request has ended, or may have.
    boolean askedWhole;

    Stream(Chunk first) {
      super(first);
    }

    Stream(PendingCall call) {
      super(call);
    }

    void request(Http2Fields fields) {
      if (described) {
        return; // trailers
      }
      described = true;
      request = fields;
      announcing |= fields.injected != null;
      grpc |= fields.grpc;
      body(requestBody, fields);
    }

    /** Where the content type is not known, gRPC is known by its message filling a frame. */
    void sniff(byte @Nullable [] data, int from, long n) {
      if (firstData > 0 && !grpc && request.unknown && data != null && n >= 5) {
        boolean flag = data[from] == 0 || data[from] == 1;
        grpc = flag && Http2Syntax.number(data, from + 1) == firstData - 5;
        if (grpc) {
          requestBody.messages();
        }
      }
      firstData = -1;
    }

    /** What the request says, as it turned out later. */
    void correct(Http2Fields fields) {
      request = fields;
      grpc |= fields.grpc;
    }

    void response(Http2Fields fields) {
      boolean interim = fields.status / 100 == 1;
      grpc |= fields.grpc;
      if (fields.grpcStatus >= 0) {
        grpcStatus = fields.grpcStatus;
      }
      if (!interim && status == 0) {
        status = Math.max(0, fields.status);
        body(responseBody, fields);
      }
    }

    private void body(Http2Body body, Http2Fields fields) {
      if (grpc) {
        body.messages();
      } else {
        body.length(fields.contentLength);
      }
    }

    /** It may have ended unseen, but if nothing came of an answer there may have been none. */
    void giveUp() {
      if (answered()) {
        emit(doubtNs, null, true);
      } else {
        counters.callsDropped.increment();
      }
    }

    void emit(long endNs, @Nullable String failure, boolean complete) {
      sure = true;
      if (announcing && request.unknown && request.injected == null) {
        forgetParent(); // its header is among what was not seen; maybe somebody else wrote for it
      }
      String error = failure;
      if (error == null && grpcStatus > 0) {
        error = GrpcSyntax.status(grpcStatus);
      } else if (error == null && grpcStatus < 0 && status >= (grpc ? 300 : 400)) {
        error = Integer.toString(status);
      }
      sink.emit(this, endNs, error, complete, grpc ? rpc() : http());
    }

    private ClientCall.Details http() {
      return new ClientCall.Http(
          request.method == null ? "" : request.method,
          request.path == null ? "" : request.path,
          request.path == null || request.pathCut,
          authority(),
          "2",
          status,
          request.injected,
          request.scheme);
    }

    private ClientCall.Details rpc() {
      String path = request.path == null || request.pathCut ? "" : request.path;
      return new ClientCall.Rpc(
          "grpc",
          GrpcSyntax.service(path),
          GrpcSyntax.method(path),
          authority(),
          grpcStatus < 0 ? null : GrpcSyntax.status(grpcStatus),
          request.injected);
    }

    private @Nullable String authority() {
      return request.authority == null ? request.host : request.authority;
    }
  }

  /** What both directions do with frames: put header blocks together. */
  private abstract class Side extends Http2FrameReader {
    private static final int MAX_BLOCK = 64 * 1024;
    private static final int MAX_LIKELY = 64;

    private final Http2Headers headers;
    private byte[] block = new byte[0];
    private int blockLength;
    private boolean blockCut;
    private int blockStream;
    private boolean blockEndsStream;
    private boolean blockPromises;
    // The stream whose framing is guessed, and what blocks say if the guess is right.
    private int guessed;
    private final Map<Integer, Http2Fields> likely = new LinkedHashMap<>();

    Side(boolean midway) {
      super(Http2Protocol.this.counters);
      headers = new Http2Headers(midway, Http2Protocol.this.counters);
    }

    abstract void headers(int stream, Http2Fields fields);

    /** What a block says, which was not sure at first. */
    abstract void correct(Stream call, Http2Fields fields);

    abstract void endStream(int stream);

    abstract void goAway(int lastStream);

    final void forget() {
      blockStream = 0;
      lose();
    }

    @Override
    final boolean expected(int type, int stream) {
      return blockStream == 0
          ? type != Http2Syntax.CONTINUATION
          : type == Http2Syntax.CONTINUATION && stream == blockStream;
    }

    @Override
    void frameEnd(
        int type,
        int flags,
        int stream,
        int length,
        byte[] kept,
        int n,
        boolean cut,
        boolean guessed) {
      switch (type) {
        case Http2Syntax.HEADERS -> {
          blockEndsStream = (flags & Http2Syntax.END_STREAM) != 0;
          blockPromises = false;
          fragment(flags, stream, length, kept, n, cut, priority(flags));
        }
        case Http2Syntax.PUSH_PROMISE -> {
          blockEndsStream = false;
          blockPromises = true;
          fragment(flags, stream, length, kept, n, cut, 4);
        }
        case Http2Syntax.CONTINUATION ->
            fragment(flags & ~Http2Syntax.PADDED, stream, length, kept, n, cut, 0);
        case Http2Syntax.DATA -> {
          Stream call = streams.get(stream);
          boolean unseenEnd =
              guessed && this == responses && call != null && call.responseBody.isComplete();
          if ((flags & Http2Syntax.END_STREAM) != 0 || unseenEnd) {
            endStream(stream);
            if (!unseenEnd) {
              ended(stream);
            }
          }
        }
        case Http2Syntax.RST_STREAM -> {
          String error = n < 4 ? "_OTHER" : Http2Syntax.error(Http2Syntax.number(kept, 0));
          end(stream, error, false);
          requests.ended(stream);
          responses.ended(stream);
        }
        case Http2Syntax.GOAWAY -> {
          if (n >= 4) {
            goAway(Http2Syntax.number(kept, 0) & Integer.MAX_VALUE);
          }
        }
        default -> {}
      }
    }

    @Override
    void guess(int stream) {
      if (guessed != 0 && guessed != stream) {
        // Which of the two was right could not be told.
        forgetTable();
      }
      guessed = stream;
      headers.doubt();
    }

    @Override
    void proven(int stream) {
      if (guessed == 0 || (stream != 0 && stream != guessed)) {
        return;
      }
      guessed = 0;
      headers.confirm();
      likely.forEach(
          (id, fields) -> {
            Stream call = streams.get(id);
            if (call != null) {
              correct(call, fields);
            }
          });
      likely.clear();
    }

    /** The stream is over: what was not proven will not be. */
    final void ended(int stream) {
      if (stream == guessed) {
        forgetTable();
      }
    }

    private void forgetTable() {
      guessed = 0;
      likely.clear();
      headers.forget();
    }

    private static int priority(int flags) {
      return (flags & Http2Syntax.WITH_PRIORITY) != 0 ? 5 : 0;
    }

    private void fragment(
        int flags, int stream, int length, byte[] kept, int n, boolean cut, int fixed) {
      boolean padded = (flags & Http2Syntax.PADDED) != 0;
      int front = fixed + (padded ? 1 : 0);
      int padding = padded && n > 0 ? kept[0] & 0xff : 0;
      int to = Math.min(n, length - padding);
      if (to < front && !cut) {
        counters.parseErrors.increment();
        blockCut = true;
      }
      blockStream = stream;
      if (to > front && !blockCut) {
        int fits = Math.min(to - front, MAX_BLOCK - blockLength);
        if (blockLength + fits > block.length) {
          block = Arrays.copyOf(block, blockLength + fits);
        }
        System.arraycopy(kept, front, block, blockLength, fits);
        blockLength += fits;
        blockCut = fits < to - front;
      }
      // What was cut off may have been padding only.
      blockCut |= cut && n < length - padding;
      if ((flags & Http2Syntax.END_HEADERS) != 0) {
        endBlock();
      }
    }

    private void endBlock() {
      int stream = blockStream;
      Http2Fields fields = headers.read(block, blockLength, !blockCut);
      blockStream = 0;
      blockLength = 0;
      blockCut = false;
      if (block.length > 1024) {
        block = new byte[0];
      }
      if (!blockPromises) {
        headers(stream, fields);
        Http2Fields asIf = headers.likely();
        if (asIf != null && likely.size() < MAX_LIKELY && streams.containsKey(stream)) {
          likely.put(stream, asIf);
        }
        if (blockEndsStream) {
          endStream(stream);
          ended(stream);
        }
      }
    }

    @Override
    void lost() {
      if (blockStream != 0) {
        blockCut = true;
        endBlock();
        guessed = 0;
        likely.clear();
      } else {
        forgetTable();
      }
    }

    final boolean carries(int type) {
      // Others say nothing of when a request or an answer was on its way.
      return type == Http2Syntax.DATA
          || type == Http2Syntax.HEADERS
          || type == Http2Syntax.CONTINUATION;
    }
  }

  private final class Requests extends Side {
    // Streams seen to open are hardly further apart than this.
    private static final int MAX_STEP = 1 << 12;

    // The chunk in which the current frame began, if that was not the present one.
    private @Nullable Chunk begun;

    Requests(boolean midway) {
      super(midway);
    }

    @Override
    boolean likelyStream(int stream) {
      return (stream & 1) == 1 && (highest == 0 || near(stream));
    }

    private boolean near(int stream) {
      return stream - highest <= MAX_STEP;
    }

    @Override
    void headerCut() {
      if (begun == null) {
        begun = chunk.copy();
      }
    }

    @Override
    void frameBegin(int type, int stream, int length) {
      Chunk first = begun == null ? chunk : begun;
      begun = null;
      if (type == Http2Syntax.HEADERS && (stream & 1) == 1 && stream > highest) {
        open(stream, first);
      }
      Stream call = streams.get(stream);
      if (call != null && type != Http2Syntax.RST_STREAM) {
        // Nobody writes for a stream that has ended.
        call.doubtNs = 0;
      }
      if (call != null && type == Http2Syntax.DATA && call.firstData == 0) {
        call.firstData = length;
      }
    }

    private void open(int stream, Chunk first) {
      if (highest != 0) {
        // Stream numbers go up in steps of two; those left out were not seen to begin, be it in a
        // hole that was taken for a body.
        counters.callsDropped.add(near(stream) ? (stream - highest) / 2 - 1 : 0);
      }
      highest = stream;
      if (streams.size() >= MAX_STREAMS && !makeRoom()) {
        counters.callsDropped.increment();
      } else {
        streams.put(stream, new Stream(first));
      }
    }

    @Override
    void bytes(int type, int stream, long n) {
      Stream call = streams.get(stream);
      if (call != null && carries(type)) {
        call.sent(chunk, n);
      }
    }

    @Override
    long messageLeft(int stream) {
      Stream call = streams.get(stream);
      return call == null ? UNKNOWN : call.requestBody.left();
    }

    @Override
    void data(int stream, int flags, byte @Nullable [] data, int from, long n) {
      Stream call = streams.get(stream);
      if (call != null) {
        call.sniff(data, from, n);
        feedBody(call.requestBody, flags, data, from, n);
      }
    }

    @Override
    void headers(int stream, Http2Fields fields) {
      Stream call = streams.get(stream);
      if (call != null) {
        call.request(fields);
      }
    }

    @Override
    void correct(Stream call, Http2Fields fields) {
      call.correct(fields);
    }

    @Override
    void endStream(int stream) {
      Stream call = streams.get(stream);
      if (call != null) {
        call.askedWhole = true;
      }
    }

    @Override
    void goAway(int lastStream) {}

    @Override
    void lost() {
      super.lost();
      begun = null;
      streams.values().forEach(call -> call.askedWhole = true);
      if (!sure && streams.isEmpty()) {
        verdict = Verdict.NOT_MINE;
      }
    }

    @Override
    void found() {}
  }

  private final class Responses extends Side {
    Responses(boolean midway) {
      super(midway);
      if (midway) {
        lose();
      }
    }

    @Override
    boolean likelyStream(int stream) {
      // Even ones are pushed by the server, which hardly anybody does.
      return (stream & 1) == 1 && (highest == 0 || stream <= highest);
    }

    @Override
    void headerCut() {}

    @Override
    void frameBegin(int type, int stream, int length) {
      Stream call = streams.get(stream);
      if (call != null) {
        call.doubtNs = 0;
      }
    }

    @Override
    void bytes(int type, int stream, long n) {
      Stream call = streams.get(stream);
      if (call != null && carries(type)) {
        call.received(chunk, n);
      }
    }

    @Override
    long messageLeft(int stream) {
      Stream call = streams.get(stream);
      return call == null ? UNKNOWN : call.responseBody.left();
    }

    @Override
    void data(int stream, int flags, byte @Nullable [] data, int from, long n) {
      Stream call = streams.get(stream);
      if (call != null) {
        feedBody(call.responseBody, flags, data, from, n);
      }
    }

    @Override
    void headers(int stream, Http2Fields fields) {
      Stream call = streams.get(stream);
      if (call != null) {
        call.response(fields);
      }
    }

    @Override
    void correct(Stream call, Http2Fields fields) {
      call.response(fields);
    }

    @Override
    void endStream(int stream) {
      end(stream, null, true);
    }

    @Override
    void goAway(int lastStream) {
      // Later ones were not looked at and may be asked for again elsewhere (RFC 9113, 6.8).
      for (Integer id : new ArrayList<>(streams.keySet())) {
        if (id > lastStream) {
          end(id, Http2Syntax.error(7), false);
        }
      }
    }

    @Override
    void found() {
      for (Stream call : streams.values()) {
        // It was the first gap, if it was one.
        call.doubtNs = call.doubtNs == 0 ? chunk.timeNs : call.doubtNs;
      }
      checkNs = chunk.timeNs + CHECK_NS;
    }
  }

  private static void feedBody(
      Http2Body body, int flags, byte @Nullable [] data, int from, long n) {
    if ((flags & Http2Syntax.PADDED) != 0) {
      body.unknown();
    } else {
      body.data(data, from, n);
    }
  }
}
