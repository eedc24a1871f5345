package dev.underspan.bridge.wire;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Feeds a connection by hand: each chunk is 10 ns after the last. */
final class Feed {
  static final int ALL = Integer.MAX_VALUE;

  final List<ClientCall> calls = new ArrayList<>();
  final WireCounters counters = new WireCounters();
  final WireConnection connection;
  private final Chunk chunk = new Chunk();
  private final Map<Direction, Http2Capture> frames = new EnumMap<>(Direction.class);
  private boolean framed;
  int capture = ALL;
  int tail = 16;
  long now = 1000;

  Feed(boolean midway) {
    connection =
        new WireConnection(
            new ConnectionInfo("10.0.0.1", 40000, "10.0.0.2", 80, true, midway, 0, 0),
            calls::add,
            counters);
  }

  static Feed fresh() {
    return new Feed(false);
  }

  static Feed midway() {
    return new Feed(true);
  }

  Feed capture(int bytes, int tailBytes) {
    capture = bytes;
    tail = tailBytes;
    return this;
  }

  /** As of HTTP/2 seen from its first byte on. */
  Feed framed() {
    framed = true;
    return this;
  }

  Feed out(byte[] bytes) {
    return chunk(Direction.SENT, bytes);
  }

  Feed out(String latin1) {
    return out(bytes(latin1));
  }

  Feed in(byte[] bytes) {
    return chunk(Direction.RECEIVED, bytes);
  }

  Feed in(String latin1) {
    return in(bytes(latin1));
  }

  private void capture(byte[] bytes) {
    Http2Capture.Source source =
        (from, into, at, count) -> System.arraycopy(bytes, from, into, at, count);
    Http2Capture by =
        frames.computeIfAbsent(chunk.direction, any -> Http2Capture.begin(source, bytes.length));
    chunk.place = by.place();
    chunk.data = by.capture(source, bytes.length, new byte[0]);
    chunk.length = by.length();
    chunk.tailLength = 0;
  }

  Feed close() {
    now += 10;
    connection.onClose(now, false);
    return this;
  }

  private Feed chunk(Direction direction, byte[] bytes) {
    now += 10;
    chunk.direction = direction;
    chunk.timeNs = now;
    chunk.arrivalNs = direction == Direction.RECEIVED ? now - 3 : 0;
    chunk.totalLength = bytes.length;
    chunk.length = Math.min(capture, bytes.length);
    chunk.data = Arrays.copyOf(bytes, chunk.length);
    chunk.tailLength = chunk.length < bytes.length ? Math.min(tail, bytes.length) : 0;
    chunk.tail = Arrays.copyOfRange(bytes, bytes.length - chunk.tailLength, bytes.length);
    if (framed) {
      capture(bytes);
    }
    chunk.head = new TraceHead(1, 2, now, 1);
    chunk.account = now;
    chunk.rttMicros = (int) now;
    chunk.retransmits = (int) (now / 10);
    connection.onChunk(chunk);
    return this;
  }

  ClientCall only() {
    if (calls.size() != 1) {
      throw new AssertionError("calls: " + calls);
    }
    return calls.get(0);
  }

  static ClientCall.Http http(ClientCall call) {
    return (ClientCall.Http) call.details();
  }

  static ClientCall.Sql sql(ClientCall call) {
    return (ClientCall.Sql) call.details();
  }

  static ClientCall.Messaging messaging(ClientCall call) {
    return (ClientCall.Messaging) call.details();
  }

  static byte[] bytes(String latin1) {
    return latin1.getBytes(StandardCharsets.ISO_8859_1);
  }

  /** Bytes from hex, blanks ignored. */
  static byte[] hex(String hex) {
    String digits = hex.replaceAll("\\s", "");
    byte[] out = new byte[digits.length() / 2];
    for (int i = 0; i < out.length; i++) {
      out[i] = (byte) Integer.parseInt(digits.substring(2 * i, 2 * i + 2), 16);
    }
    return out;
  }

  static byte[] join(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      out.writeBytes(part);
    }
    return out.toByteArray();
  }

  /** A typed PostgreSQL message. */
  static byte[] pg(char type, String latin1Body) {
    int n = latin1Body.length() + 4;
    return join(
        new byte[] {(byte) type, (byte) (n >> 24), (byte) (n >> 16), (byte) (n >> 8), (byte) n},
        bytes(latin1Body));
  }

  static byte[] parse(String name, String sql) {
    return pg('P', name + "\0" + sql + "\0\0\0");
  }

  static byte[] bind(String portal, String statement) {
    return pg('B', portal + "\0" + statement + "\0\0\0\0\0\0\0");
  }

  static byte[] describe() {
    return pg('D', "P\0");
  }

  static byte[] execute(String portal) {
    return pg('E', portal + "\0\0\0\0\0");
  }

  static byte[] sync() {
    return pg('S', "");
  }

  static byte[] query(String sql) {
    return pg('Q', sql + "\0");
  }

  static byte[] done(String tag) {
    return pg('C', tag + "\0");
  }

  static byte[] ready(char status) {
    return pg('Z', "" + status);
  }

  static byte[] error(String state) {
    return pg('E', "SERROR\0VERROR\0C" + state + "\0Mno\0\0");
  }

  /** What pgjdbc sends for one statement, and a server's answer to it. */
  static byte[] extended(String sql) {
    return join(parse("", sql), bind("", ""), describe(), execute(""), sync());
  }

  static byte[] answer(String tag, int rows) {
    byte[] all = join(pg('1', ""), pg('2', ""), pg('T', "\0\1id\0" + "\0".repeat(18)));
    for (int i = 0; i < rows; i++) {
      all = join(all, pg('D', "\0\1\0\0\0\4" + String.format("%04d", i)));
    }
    return join(all, done(tag), ready('I'));
  }
}
