package dev.underspan.bridge.wire;

import dev.underspan.bridge.wire.KafkaMessage.Field;
import dev.underspan.bridge.wire.KafkaMessage.Name;
import java.util.ArrayDeque;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Client side Kafka (kafka.apache.org/protocol): Produce requests, and Fetches that brought records
 * or an error. A response names its request by correlation id, and a broker answers a connection's
 * requests in order. Of records only the headers of their batches are looked at, never a key, value
 * or header of a message.
 *
 * <p>A request for several topics is one call, as it is one exchange of bytes and one wait.
 */
final class KafkaProtocol implements Protocol {
  private static final String SYSTEM = "kafka";
  private static final int MAX_IN_FLIGHT = 64;
  private static final long NONE = -1;
  private static final long MAX_UNSEEN = 1 << 16;

  private final Calls sink;
  private final WireCounters counters;
  private final KafkaNames names;
  private final Frontend frontend;
  private final Backend backend;
  private final ArrayDeque<Request> pending = new ArrayDeque<>();
  private long requests;
  private long lastCorrelation;
  // After this one there were requests that were not seen, whose responses are unexpected.
  private long unseen = NONE;
  // A response was to one of the requests, so this is Kafka.
  private boolean confirmed;
  private boolean midway;
  private Verdict verdict = Verdict.CONTINUE;
  private Chunk chunk = new Chunk();

  KafkaProtocol(Role role, boolean midway, KafkaNames names, Calls sink, WireCounters counters) {
    if (role != Role.CLIENT) {
      throw new IllegalArgumentException("only the client side is read");
    }
    this.sink = sink;
    this.counters = counters;
    this.names = names;
    this.midway = midway;
    this.frontend = new Frontend();
    this.backend = new Backend();
    if (midway) {
      backend.lose();
    }
  }

  @Override
  public Verdict onChunk(Chunk chunk) {
    this.chunk = chunk;
    if (chunk.direction == Direction.SENT) {
      frontend.next();
    } else {
      backend.next();
    }
    return verdict;
  }

  @Override
  public void onLoss() {
    dropAll();
    frontend.lose();
    backend.lose();
  }

  @Override
  public void onClose(long timeNs, boolean error) {
    Request answering = backend.request;
    if (answering != null) {
      cutOff(answering, timeNs);
    }
    for (Request request : pending) {
      cutOff(request, timeNs);
    }
    pending.clear();
  }

  /** A request that is not, or not wholly, answered when its connection ends. */
  private void cutOff(Request request, long timeNs) {
    if (request == frontend.current) {
      request.said.cut();
    }
    request.answer.cut();
    if (request.key == KafkaSyntax.PRODUCE) {
      request.emit(timeNs, false);
    } else if (request.key == KafkaSyntax.FETCH) {
      if (request.answer.any()) {
        request.emit(timeNs, false);
      } else if (request.answered()) {
        counters.callsDropped.increment();
      } else {
        // A consumer that leaves: its fetch waited for records.
        counters.emptyPolls.increment();
      }
    }
  }

  private void dropAll() {
    pending.forEach(this::drop);
    pending.clear();
    Request answering = backend.request;
    if (answering != null) {
      drop(answering);
      backend.request = null;
    }
  }

  private void drop(Request request) {
    if (request.key == KafkaSyntax.PRODUCE || request.key == KafkaSyntax.FETCH) {
      counters.callsDropped.increment();
    }
  }

  /** Something is no Kafka: perhaps nothing of all this is. */
  private void doubt() {
    if (!confirmed) {
      dropAll();
      verdict = Verdict.NOT_MINE;
    }
  }

  private boolean expects(int correlation) {
    for (Request request : pending) {
      if (request.correlation == correlation) {
        return true;
      }
    }
    return false;
  }

  /** Takes the request out; those before it will not be answered any more. */
  private @Nullable Request take(int correlation) {
    if (!expects(correlation)) {
      return null;
    }
    confirmed = true;
    while (true) {
      Request request = pending.removeFirst();
      if (request.correlation == correlation) {
        if (request.number > unseen) {
          unseen = NONE;
        }
        return request;
      }
      drop(request);
    }
  }

  /** A request, first of all its header. */
  private final class Request extends PendingCall implements KafkaDecoder.Sink {
    int key = -1;
    int version;
    int correlation;
    @Nullable String client;
    long number;
    boolean over;
    boolean versionUnknown;
    // What it says, and what its response does.
    final KafkaTally said = new KafkaTally(true);
    final KafkaTally answer = new KafkaTally(false);

    Request(Chunk first) {
      super(first);
    }

    @Override
    int callNumber() {
      return correlation;
    }

    @Override
    public void number(Name name, long value) {
      switch (name) {
        case KEY -> key = (int) value;
        case VERSION -> version = (int) value;
        case CORRELATION -> correlation = (int) value;
        default -> {}
      }
    }

    @Override
    public void text(Name name, @Nullable String value) {
      if (name == Name.CLIENT) {
        client = value;
      } else if (name == Name.GROUP && client != null && value != null && !value.isEmpty()) {
        names.group(client, value);
      }
    }

    void emit(long endNs, boolean complete) {
      over = true;
      int code = answer.error();
      String error =
          code != 0 ? KafkaErrors.name(code) : complete ? null : ClientCall.CONNECTION_CLOSED;
      if (complete && code == 0 && answer.isCut()) {
        counters.unknownOutcomes.increment();
      }
      boolean send = key == KafkaSyntax.PRODUCE;
      KafkaTally tally = send ? said : answer;
      sink.emit(
          this,
          endNs,
          error,
          complete,
          new ClientCall.Messaging(
              SYSTEM,
              send ? "send" : "poll",
              send ? "send" : "receive",
              tally.topic(names),
              tally.partition(),
              tally.messages(),
              client,
              send || client == null ? null : names.group(client)));
    }
  }

  /** What each direction does with a frame: header, its tagged fields, body. */
  private abstract class Reader extends KafkaFrameReader {
    private enum Part {
      HEADER,
      TAGS,
      BODY,
      REST
    }

    final KafkaDecoder decoder = new KafkaDecoder();
    private Part part = Part.REST;
    private @Nullable List<Field> body;
    private boolean flexible;
    private boolean holed;
    private KafkaDecoder.Sink bodySink = new KafkaDecoder.Sink() {};

    Reader() {
      super(KafkaProtocol.this.counters);
    }

    /** The header was read; returns whether it can be. */
    abstract boolean header();

    final void startHeader(List<Field> fields, long size, KafkaDecoder.Sink to) {
      part = Part.HEADER;
      holed = false;
      body = null;
      decoder.start(fields, false, size, to);
    }

    /** To be called in {@link #header()} if there is more to read of the message. */
    final void thenBody(KafkaMessage message, int version, KafkaDecoder.Sink to) {
      body = message.fields(version);
      flexible = message.flexible(version);
      bodySink = to;
    }

    final boolean headerSeen() {
      return part != Part.HEADER;
    }

    /** Was a part of the body missing that should have been read? */
    final boolean bodyCut() {
      return body == null || part != Part.REST;
    }

    @Override
    final boolean body(byte[] data, int from, int to) {
      int at = from;
      while (part != Part.REST) {
        at = decoder.feed(data, at, to);
        if (decoder.active()) {
          return true;
        }
        if (decoder.broken()) {
          // A header must be right, as far as it was seen.
          return holed || part != Part.HEADER;
        }
        if (!follow(remaining() + to - at)) {
          return false;
        }
      }
      return true;
    }

    private boolean follow(long left) {
      List<Field> fields = body;
      switch (part) {
        case HEADER -> {
          if (!header()) {
            return false;
          }
          fields = body;
          if (fields == null) {
            part = Part.REST;
          } else if (flexible) {
            part = Part.TAGS;
            decoder.start(KafkaMessage.tags(), true, left, bodySink);
          } else {
            part = Part.BODY;
            decoder.start(fields, false, left, bodySink);
          }
        }
        case TAGS -> {
          part = Part.BODY;
          if (fields != null) {
            decoder.start(fields, true, left, bodySink);
          }
        }
        case BODY, REST -> part = Part.REST;
      }
      return true;
    }

    @Override
    final void hole(long n) {
      holed = true;
      decoder.hole(n);
    }

    @Override
    final void invalid() {
      doubt();
    }
  }

  private final class Frontend extends Reader {
    @Nullable Request current;

    void next() {
      boolean whole = chunk.captured() == chunk.totalLength;
      if (isLost() && KafkaSyntax.request(chunk.data, chunk.captured(), whole) == Match.YES) {
        counters.resynchronised.increment();
        reset();
      }
      feed(chunk);
    }

    @Override
    void begin() {
      current = new Request(chunk);
    }

    @Override
    boolean size(long size) {
      Request request = current;
      if (request == null || size < KafkaSyntax.MIN_REQUEST || size > KafkaSyntax.MAX_REQUEST) {
        return false;
      }
      startHeader(KafkaMessage.REQUEST_HEADER, size, request);
      return true;
    }

    @Override
    void bytes(long n) {
      Request request = current;
      if (request != null && !request.over) {
        request.sent(chunk, n);
      }
    }

    @Override
    boolean header() {
      Request request = current;
      if (request == null
          || !KafkaSyntax.request(request.key, request.version)
          || request.correlation < 0) {
        return false;
      }
      if (pending.size() >= MAX_IN_FLIGHT) {
        // No client waits for so many: the responses are not understood.
        dropAll();
        backend.lose();
        doubt();
      }
      request.number = ++requests;
      lastCorrelation = request.correlation;
      pending.add(request);
      KafkaMessage message = KafkaMessage.request(request.key);
      if (message != null) {
        thenBody(
            message, request.version, request.key == KafkaSyntax.PRODUCE ? request.said : request);
      }
      KafkaMessage response = KafkaMessage.response(request.key);
      if (response != null && response.unknown(request.version)) {
        request.versionUnknown = true;
        counters.unknownVersions.increment();
      }
      return true;
    }

    @Override
    void end() {
      Request request = current;
      current = null;
      if (request == null) {
        return;
      }
      if (!headerSeen()) {
        counters.truncatedMessages.increment();
        unseen = requests;
      } else if (request.key == KafkaSyntax.PRODUCE && !request.over) {
        if (bodyCut()) {
          request.said.cut();
        }
        if (request.said.acks() == 0) {
          // Nobody answers. When the last send was over is not told, only when it began.
          pending.remove(request);
          request.emit(chunk.timeNs, true);
        }
      }
    }

    @Override
    void lost() {
      current = null;
      unseen = requests;
    }
  }

  private final class Backend extends Reader implements KafkaDecoder.Sink {
    @Nullable Request request;
    private int correlation;
    // The frame's bytes before its request is known, and the first chunk if that is not the last.
    private long early;
    private @Nullable Chunk first;
    // Clients read the size of a response alone; here while framing is lost.
    private @Nullable Chunk sizeAlone;
    // Of a topic in Metadata.
    private @Nullable String topic;
    private UUID topicId = new UUID(0, 0);

    void next() {
      if (isLost()) {
        find();
        return;
      }
      feed(chunk);
      if (early > 0 && first == null) {
        first = stamp(chunk);
      }
    }

    /** Is this where a response begins that is waited for? */
    private void find() {
      Chunk size = sizeAlone;
      sizeAlone = null;
      byte[] data = chunk.data;
      int length = chunk.captured();
      if (size != null && length >= 4 && expects(KafkaSyntax.int32(data, 0))) {
        found();
        Chunk now = chunk;
        chunk = size;
        feed(size);
        first = size;
        chunk = now;
        feed(now);
      } else if (length >= 8
          && KafkaSyntax.int32(data, 0) >= 4
          && expects(KafkaSyntax.int32(data, 4))) {
        found();
        feed(chunk);
      } else if (length == 4 && chunk.totalLength == 4 && KafkaSyntax.int32(data, 0) >= 4) {
        sizeAlone = chunk.copy();
      }
    }

    private void found() {
      if (!midway) {
        counters.resynchronised.increment();
      }
      midway = false;
      reset();
    }

    private Chunk stamp(Chunk of) {
      Chunk stamp = new Chunk();
      stamp.direction = of.direction;
      stamp.timeNs = of.timeNs;
      stamp.arrivalNs = of.arrivalNs;
      stamp.account = of.account;
      stamp.rttMicros = of.rttMicros;
      stamp.retransmits = of.retransmits;
      return stamp;
    }

    @Override
    void begin() {
      request = null;
      early = 0;
      first = null;
    }

    @Override
    boolean size(long size) {
      if (size < 4) {
        return false;
      }
      startHeader(KafkaMessage.RESPONSE_HEADER, size, this);
      return true;
    }

    @Override
    void bytes(long n) {
      Request known = request;
      if (known != null) {
        known.received(chunk, n);
      } else {
        early += n;
      }
    }

    @Override
    boolean header() {
      Request found = take(correlation);
      if (found == null) {
        // Perhaps to a request that was not seen; if it can be, its size may be trusted.
        return unseen != NONE
            && remaining() < KafkaSyntax.MAX_REQUEST
            && correlation >= 0
            && correlation <= lastCorrelation + MAX_UNSEEN;
      }
      request = found;
      if (first != null) {
        found.received(first, early);
        found.received(chunk, 0);
      } else {
        found.received(chunk, early);
      }
      early = 0;
      KafkaMessage message = KafkaMessage.response(found.key);
      if (message != null) {
        thenBody(message, found.version, found.key == KafkaSyntax.METADATA ? this : found.answer);
      }
      return true;
    }

    @Override
    void end() {
      Request done = request;
      request = null;
      early = 0;
      if (done == null || done.over) {
        return;
      }
      if (bodyCut()) {
        done.answer.cut();
      }
      if (done.key == KafkaSyntax.PRODUCE) {
        done.emit(done.lastReceivedNs(), true);
      } else if (done.key == KafkaSyntax.FETCH) {
        if (done.answer.any()) {
          done.emit(done.lastReceivedNs(), true);
        } else if (!done.answer.isCut()) {
          counters.emptyPolls.increment();
        } else if (!done.versionUnknown) {
          // It may have been empty or not.
          counters.callsDropped.increment();
        }
      }
    }

    @Override
    void lost() {
      request = null;
      early = 0;
      sizeAlone = null;
    }

    @Override
    public void number(Name name, long value) {
      if (name == Name.CORRELATION) {
        correlation = (int) value;
      }
    }

    @Override
    public void text(Name name, @Nullable String value) {
      if (name == Name.TOPIC) {
        topic = value;
      }
    }

    @Override
    public void uuid(Name name, long high, long low) {
      topicId = new UUID(high, low);
    }

    @Override
    public void end(Name name) {
      String known = topic;
      boolean id = topicId.getMostSignificantBits() != 0 || topicId.getLeastSignificantBits() != 0;
      if (name == Name.TOPICS && known != null && id) {
        names.topic(topicId, known);
      }
    }
  }
}
