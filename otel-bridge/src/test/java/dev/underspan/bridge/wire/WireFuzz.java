package dev.underspan.bridge.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Drives a connection by bytes, and checks what must hold whatever they are.
 *
 * <p>An input is: a byte that chooses one of {@link #OPENINGS}, a byte whose lowest bit says that
 * the connection was joined midway, then steps. A step is {@link #LOSS}, or {@link #CLOSE} after
 * which nothing is read any more, or a chunk: a byte whose lowest bit is its direction (1 =
 * received) and whose next bit says that all of it is captured; otherwise, in a byte each, how many
 * eighths of its bytes are captured, how many sixteens of bytes more were moved that nobody saw,
 * and the length of the tail. If the bit after these is set, the bytes are captured by frames of
 * HTTP/2: two bytes of what is left of a frame, one of how much of that is kept or, if none is
 * left, of how much of a head came before, and in that case the head. Then two bytes of length and
 * the bytes.
 */
final class WireFuzz {
  /** What a client says first, so that the reader of each protocol is reached at once. */
  static final List<byte[]> OPENINGS =
      List.of(
          new byte[0],
          Feed.bytes("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
          Feed.join(Feed.hex("00000012 00030000"), Feed.bytes("user\0app\0\0")),
          KafkaBytes.API_VERSIONS,
          Feed.join(Http2Bytes.PREFACE, Http2Bytes.SETTINGS),
          RedisProtocolTest.command("PING"));

  private static final ConnectionInfo DNS =
      new ConnectionInfo("10.0.0.1", 40_000, "10.0.0.2", 53, true, false, 0, 0);

  // "A B HTTP/1.", an empty line behind it.
  private static final int MIN_HEAD = 13;

  static final int LOSS = 0xFF;
  static final int CLOSE = 0xFE;
  // Of HTTP/2, which has most.
  private static final int MAX_IN_FLIGHT = 1025;
  // For an input; they are of a few kilobytes.
  private static final long MAX_NS = 10_000_000_000L;

  private final WireCounters counters = new WireCounters();
  private final List<ClientCall> calls = new ArrayList<>();
  private final byte[] input;
  private final HttpAnswer answer = new HttpAnswer("GET", new WireCounters());
  private int heads;
  private final HttpRequests requests = new HttpRequests(new WireCounters(), head -> heads++);
  private int found;
  private final DnsLookups lookups = new DnsLookups(call -> found++, new WireCounters());
  private int at;
  private long now = 1_000;
  private long bytesOut;
  private long bytesIn;

  private WireFuzz(byte[] input) {
    this.input = input;
  }

  /** Runs an input to its end. */
  static void run(byte[] input) {
    long start = System.nanoTime();
    new WireFuzz(input).run();
    assertThat(System.nanoTime() - start).as("time").isLessThan(MAX_NS);
  }

  private int next() {
    return at < input.length ? input[at++] & 0xff : 0;
  }

  private void run() {
    byte[] opening = OPENINGS.get(next() % OPENINGS.size());
    boolean midway = (next() & 1) != 0;
    WireConnection connection =
        new WireConnection(
            new ConnectionInfo("10.0.0.1", 40_000, "10.0.0.2", 80, true, midway, 0, 0),
            this::take,
            counters);
    if (opening.length > 0) {
      chunk(connection, Direction.SENT, opening, opening.length, 0, 0, null);
    }
    boolean open = true;
    while (at < input.length && open) {
      int what = next();
      now += 10;
      if (what == LOSS) {
        connection.onLoss();
      } else if (what == CLOSE) {
        open = false;
      } else {
        Direction direction = (what & 1) == 0 ? Direction.SENT : Direction.RECEIVED;
        boolean whole = (what & 2) != 0;
        int eighths = whole ? 8 : next() % 9;
        long hole = whole ? 0 : (long) next() << 4;
        int tail = whole ? 0 : next() % 17;
        Http2Place place = (what & 4) == 0 ? null : place();
        int length = next() << 8 | next();
        byte[] bytes = Arrays.copyOfRange(input, at, Math.min(input.length, at + length));
        at += bytes.length;
        chunk(connection, direction, bytes, bytes.length * eighths / 8, hole, tail, place);
      }
    }
    int before = calls.size();
    connection.onClose(now, (input.length & 1) != 0);
    assertThat(calls.size() - before).as("calls in flight").isLessThanOrEqualTo(MAX_IN_FLIGHT);
    assertThat(counters.calls.sum()).isEqualTo(calls.size());
  }

  private Http2Place place() {
    Http2Place place = new Http2Place();
    place.left = next() << 8 | next();
    if (place.left > 0) {
      place.keep = Math.min(place.left, next());
    } else {
      place.headLength = next() % Http2Syntax.HEADER;
      for (int i = 0; i < place.headLength; i++) {
        place.head[i] = (byte) next();
      }
    }
    return place;
  }

  private void chunk(
      WireConnection connection,
      Direction direction,
      byte[] bytes,
      int captured,
      long hole,
      int tail,
      @Nullable Http2Place place) {
    Chunk chunk = new Chunk();
    chunk.place = place;
    chunk.direction = direction;
    chunk.timeNs = now;
    chunk.arrivalNs = direction == Direction.RECEIVED && (now & 16) != 0 ? now - 3 : 0;
    chunk.totalLength = bytes.length + hole;
    chunk.data = Arrays.copyOf(bytes, captured);
    chunk.length = captured;
    chunk.tailLength = Math.min(tail, bytes.length - captured);
    chunk.tail = Arrays.copyOfRange(bytes, bytes.length - chunk.tailLength, bytes.length);
    if (direction == Direction.SENT) {
      bytesOut += chunk.totalLength;
    } else {
      bytesIn += chunk.totalLength;
    }
    connection.onChunk(chunk);
    alone(chunk);
  }

  /** What is read without the rest of a connection. */
  private void alone(Chunk chunk) {
    heads = 0;
    if (HttpRequests.begins(chunk.data, chunk.captured()) && requests.isWithinHead()) {
      requests.reset();
    }
    requests.onRead(chunk.data, chunk.captured(), (int) chunk.totalLength);
    assertThat(heads).isLessThanOrEqualTo(1 + chunk.captured() / MIN_HEAD);
    if (answer.onChunk(chunk)) {
      assertThat(answer.status()).isBetween(100, 999);
    }
    lookups.onDatagram(chunk.timeNs % 3, DNS, chunk);
    lookups.poll(chunk.timeNs);
    assertThat(found).isLessThanOrEqualTo((int) (now / 10));
  }

  private void take(ClientCall call) {
    calls.add(call);
    assertThat(call.startNs()).isPositive();
    assertThat(call.requestEndNs()).isGreaterThanOrEqualTo(call.startNs());
    assertThat(call.endNs()).isGreaterThanOrEqualTo(call.startNs()).isLessThanOrEqualTo(now);
    assertThat(call.bytesOut()).isBetween(0L, bytesOut);
    assertThat(call.bytesIn()).isBetween(0L, bytesIn);
    if (call.details() instanceof ClientCall.Sql sql) {
      assertThat(sql.text().length()).isLessThanOrEqualTo(8192);
    } else if (call.details() instanceof ClientCall.Messaging messaging) {
      assertThat(messaging.partition()).isGreaterThanOrEqualTo(-1);
      assertThat(messaging.messages()).isGreaterThanOrEqualTo(-1);
    }
  }
}
