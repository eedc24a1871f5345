package dev.underspan.bridge.wire;

import static dev.underspan.bridge.wire.Feed.answer;
import static dev.underspan.bridge.wire.Feed.bind;
import static dev.underspan.bridge.wire.Feed.bytes;
import static dev.underspan.bridge.wire.Feed.done;
import static dev.underspan.bridge.wire.Feed.error;
import static dev.underspan.bridge.wire.Feed.execute;
import static dev.underspan.bridge.wire.Feed.extended;
import static dev.underspan.bridge.wire.Feed.join;
import static dev.underspan.bridge.wire.Feed.parse;
import static dev.underspan.bridge.wire.Feed.pg;
import static dev.underspan.bridge.wire.Feed.query;
import static dev.underspan.bridge.wire.Feed.ready;
import static dev.underspan.bridge.wire.Feed.sync;
import static dev.underspan.bridge.wire.Http2Bytes.add;
import static dev.underspan.bridge.wire.Http2Bytes.data;
import static dev.underspan.bridge.wire.Http2Bytes.frame;
import static dev.underspan.bridge.wire.Http2Bytes.get;
import static dev.underspan.bridge.wire.Http2Bytes.headers;
import static dev.underspan.bridge.wire.Http2Bytes.hex;
import static dev.underspan.bridge.wire.Http2Bytes.message;
import static dev.underspan.bridge.wire.RedisProtocolTest.command;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The same exchange however it is cut, and bytes that are no exchange at all. */
class WireRandomTest {
  static final class Turn {
    final boolean out;
    final byte[] bytes;

    Turn(boolean out, byte[] bytes) {
      this.out = out;
      this.bytes = bytes;
    }
  }

  enum Kind {
    HTTP(3),
    HTTP2(5),
    POSTGRESQL(4),
    REDIS(7),
    MYSQL(5),
    KAFKA(4);

    final int calls;

    Kind(int calls) {
      this.calls = calls;
    }

    static Kind any(Random random) {
      return values()[random.nextInt(values().length)];
    }
  }

  static List<Turn> exchange(Kind kind) {
    List<Turn> turns = new ArrayList<>();
    switch (kind) {
      case HTTP -> http(turns);
      case HTTP2 -> http2(turns);
      case POSTGRESQL -> postgresql(turns);
      case REDIS -> redis(turns);
      case MYSQL -> mysql(turns);
      case KAFKA -> kafka(turns);
    }
    return turns;
  }

  private static void http2(List<Turn> turns) {
    byte[] path = add(":path", "/a.B/C");
    byte[] grpc = add("content-type", "application/grpc");
    byte[] ids = add("x-id", "i".repeat(60));
    turn(turns, true, join(Http2Bytes.PREFACE, Http2Bytes.SETTINGS));
    turn(turns, false, join(Http2Bytes.SETTINGS, frame(4, 1, 0)));
    turn(
        turns,
        true,
        join(
            frame(4, 1, 0),
            headers(1, false, hex("8386"), path, grpc, ids),
            data(1, true, message("m".repeat(50)))));
    turn(
        turns,
        false,
        join(headers(1, false, hex("88"), grpc), data(1, false, message("r".repeat(90)))));
    turn(turns, true, join(frame(8, 0, 1, new byte[] {0, 0, 1, 0}), get(3, "/three")));
    turn(
        turns,
        false,
        join(headers(3, false, hex("88")), headers(1, true, add("grpc-status", "5"))));
    turn(
        turns,
        true,
        join(
            frame(1, 1, 5, hex("8386"), hex("c0")),
            frame(9, 4, 5, hex("bf")),
            frame(1, 0x2d, 7, hex("05 00000000 01 8286"), add(":path", "/seven"), new byte[5])));
    turn(turns, false, join(data(3, true, bytes("b".repeat(70))), headers(5, true, hex("88bfbe"))));
    turn(turns, true, frame(3, 0, 7, hex("00000008")));
    turn(turns, true, headers(9, true, hex("8286be")));
    turn(turns, false, headers(9, true, hex("8d")));
  }

  private static void http(List<Turn> turns) {
    turn(turns, true, bytes("GET /one HTTP/1.1\r\nHost: h\r\nX: " + "x".repeat(60) + "\r\n\r\n"));
    turn(turns, false, bytes("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n" + "b".repeat(90)));
    turn(
        turns,
        true,
        bytes("POST /two HTTP/1.1\r\nHost: h\r\nContent-Length: 70\r\n\r\n" + "p".repeat(70)));
    String chunks = "28\r\n" + "c".repeat(40) + "\r\n28\r\n" + "d".repeat(40) + "\r\n0\r\n\r\n";
    turn(
        turns,
        false,
        bytes("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks));
    turn(turns, true, bytes("HEAD /three HTTP/1.1\r\nHost: h\r\n\r\n"));
    turn(turns, false, bytes("HTTP/1.1 204 No Content\r\n\r\n"));
  }

  private static void postgresql(List<Turn> turns) {
    turn(turns, true, join(new byte[] {0, 0, 0, 18, 0, 3, 0, 0}, bytes("user\0app\0\0")));
    turn(turns, false, join(pg('R', "\0\0\0\0"), ready('I')));
    turn(turns, true, query("SELECT 'one' FROM t" + " ".repeat(50)));
    turn(turns, false, answer("SELECT 9", 9));
    turn(
        turns,
        true,
        join(parse("", "BEGIN"), bind("", ""), execute(""), extended("UPDATE t SET a = 1")));
    byte[] begun = join(pg('1', ""), pg('2', ""), done("BEGIN"));
    turn(turns, false, join(begun, pg('1', ""), error("42P01"), ready('E')));
    turn(turns, true, join(parse("s", "ROLLBACK"), bind("", "s"), execute(""), sync()));
    turn(turns, false, join(pg('1', ""), pg('2', ""), done("ROLLBACK"), ready('I')));
  }

  private static void redis(List<Turn> turns) {
    turn(turns, true, command("HELLO", "3", "AUTH", "joe", "secret"));
    turn(turns, false, bytes("%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n"));
    turn(turns, true, join(command("SELECT", "3"), command("SET", "k", "v".repeat(90))));
    turn(turns, false, bytes("+OK\r\n+OK\r\n"));
    turn(turns, true, command("LRANGE", "list", "0", "-1"));
    String pushed = ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n";
    turn(turns, false, bytes(pushed + "*2\r\n$70\r\n" + "e".repeat(70) + "\r\n*1\r\n_\r\n"));
    turn(turns, true, command("INCR", "k"));
    turn(turns, false, bytes("-WRONGTYPE not a number\r\n"));
    turn(turns, true, command("SUBSCRIBE", "a", "b"));
    String confirmed = ">3\r\n+subscribe\r\n+a\r\n:1\r\n>3\r\n+subscribe\r\n+b\r\n:2\r\n";
    turn(turns, false, bytes(confirmed));
    turn(turns, true, command("GET", "k"));
    turn(turns, false, bytes("|1\r\n+ttl\r\n:5\r\n$3\r\nxyz\r\n"));
  }

  private static void mysql(List<Turn> turns) {
    turn(turns, false, MySqlProtocolTest.greeting("11.4.2-MariaDB", -1));
    turn(turns, true, MySqlProtocolTest.login(0x88208 | 1));
    turn(turns, false, MySqlProtocolTest.ok(2, 2));
    turn(turns, true, MySqlProtocolTest.query("SELECT 'one' FROM t" + " ".repeat(50)));
    turn(turns, false, MySqlProtocolTest.rows(1, 9, false, 2));
    turn(turns, true, MySqlProtocolTest.prepare("INSERT INTO t VALUES (?, ?)"));
    turn(turns, false, MySqlProtocolTest.prepared(7, 0, 2, false));
    turn(
        turns,
        true,
        join(MySqlProtocolTest.execute(7), MySqlProtocolTest.query("UPDATE t SET a = 1")));
    turn(turns, false, join(MySqlProtocolTest.ok(1, 2), MySqlProtocolTest.error(1, 1205)));
    turn(turns, true, MySqlProtocolTest.query("CALL p()"));
    turn(
        turns, false, join(MySqlProtocolTest.rows(1, 2, false, 2 | 8), MySqlProtocolTest.ok(7, 2)));
    turn(turns, true, MySqlProtocolTest.query("SELECT 2"));
    turn(turns, false, MySqlProtocolTest.rows(1, 1, true, 2));
  }

  private static void kafka(List<Turn> turns) {
    turn(turns, true, KafkaBytes.API_VERSIONS);
    turn(turns, false, KafkaBytes.API_VERSIONS_ANSWER);
    turn(turns, true, KafkaBytes.produceFlexible(1, "one", 3, KafkaBytes.batch(5, 90)));
    turn(turns, false, KafkaBytes.producedFlexible(1, "one", 3, 0));
    byte[] two = KafkaBytes.partition(0, KafkaBytes.batch(2, 40), KafkaBytes.batch(3, 0));
    byte[] three = KafkaBytes.partition(1, KafkaBytes.batch(4, 60));
    turn(
        turns,
        true,
        join(
            KafkaBytes.produce(2, 1, KafkaBytes.topic("two", two)),
            KafkaBytes.produce(3, 1, KafkaBytes.topic("three", two, three))));
    byte[] answer = KafkaBytes.produced(3, "three", 0, 6);
    turn(turns, false, join(KafkaBytes.produced(2, "two", 0, 0), answer));
    turn(turns, true, KafkaBytes.fetch(4));
    turn(turns, false, KafkaBytes.fetched(4, 0));
    turn(turns, true, KafkaBytes.fetch(5));
    byte[] records = KafkaBytes.fetchedPartition(2, 0, KafkaBytes.batch(7, 50));
    byte[] none = KafkaBytes.fetchedPartition(1, 0);
    turn(turns, false, KafkaBytes.fetched(5, 0, KafkaBytes.topic("four", none, records)));
  }

  private static void turn(List<Turn> turns, boolean out, byte[] bytes) {
    turns.add(new Turn(out, bytes));
  }

  private static String outline(Feed feed) {
    StringBuilder text = new StringBuilder();
    for (ClientCall call : feed.calls) {
      text.append(call.details())
          .append(call.errorType())
          .append(call.complete())
          .append(call.bytesOut())
          .append('/')
          .append(call.bytesIn())
          .append('\n');
    }
    return text.toString();
  }

  private static void feed(Feed feed, Turn turn, int from, int to) {
    byte[] part = Arrays.copyOfRange(turn.bytes, from, to);
    if (turn.out) {
      feed.out(part);
    } else {
      feed.in(part);
    }
  }

  private static String whole(Kind kind) {
    Feed feed = Feed.fresh();
    exchange(kind).forEach(t -> feed(feed, t, 0, t.bytes.length));
    feed.close();
    assertThat(feed.calls).hasSize(kind.calls);
    return outline(feed);
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void everySplitGivesTheSame(Kind kind) {
    String expected = whole(kind);
    List<Turn> turns = exchange(kind);
    for (int at = 0; at < 400; at++) {
      Feed feed = Feed.fresh();
      for (Turn turn : turns) {
        int cut = Math.min(at, turn.bytes.length);
        feed(feed, turn, 0, cut);
        feed(feed, turn, cut, turn.bytes.length);
      }
      feed.close();
      assertThat(outline(feed)).as("cut at %s", at).isEqualTo(expected);
    }
    Random random = new Random(42);
    for (int i = 0; i < 2000; i++) {
      Feed feed = Feed.fresh();
      int most = 1 + random.nextInt(40);
      for (Turn turn : turns) {
        for (int at = 0; at < turn.bytes.length; ) {
          int next = Math.min(turn.bytes.length, at + 1 + random.nextInt(most));
          feed(feed, turn, at, next);
          at = next;
        }
      }
      feed.close();
      assertThat(outline(feed)).as("round %s", i).isEqualTo(expected);
      assertThat(feed.counters.parseErrors.sum()).isZero();
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void everyTruncationGivesTheSameOrIsCounted(Kind kind) {
    String expected = whole(kind);
    List<Turn> turns = exchange(kind);
    int same = 0;
    int total = 0;
    Random random = new Random(43);
    for (int i = 0; i < 6000; i++) {
      int capture = i < 400 ? i : random.nextInt(150);
      Feed feed = Feed.fresh().capture(capture, random.nextInt(3) == 0 ? 0 : random.nextInt(17));
      int most = i < 400 ? 1000 : 1 + random.nextInt(200);
      for (Turn turn : turns) {
        for (int at = 0; at < turn.bytes.length; ) {
          int next = Math.min(turn.bytes.length, at + 1 + random.nextInt(most));
          feed(feed, turn, at, next);
          at = next;
        }
      }
      feed.close();
      String got = outline(feed);
      WireCounters c = feed.counters;
      long counted =
          c.truncatedMessages.sum()
              + c.unknownProtocol.sum()
              + c.parseErrors.sum()
              + c.unknownOutcomes.sum()
              + c.callsDropped.sum()
              + c.headersUnknown.sum()
              + c.resynchronised.sum();
      total++;
      if (kind == Kind.HTTP2) {
        assertThat(feed.calls).as("round %s", i).allMatch(WireRandomTest::trueAsFarAsKnown);
      }
      if (got.equals(expected)) {
        same++;
      } else {
        boolean flagged = got.contains("Truncated=true") || got.contains("messages=-1");
        assertThat(counted > 0 || flagged).as("round %s\n%s\n%s", i, got, expected).isTrue();
      }
      assertThat(feed.calls).hasSizeLessThanOrEqualTo(kind.calls);
    }
    assertThat(same).isGreaterThan(total / 10);
  }

  /** Less than the truth may be reported, but nothing else. */
  private static boolean trueAsFarAsKnown(ClientCall call) {
    if (call.details() instanceof ClientCall.Rpc rpc) {
      return List.of("a.B/C", "null/null").contains(rpc.service() + "/" + rpc.method())
          && (rpc.status() == null || rpc.status().equals("NOT_FOUND"));
    }
    ClientCall.Http http = (ClientCall.Http) call.details();
    int status = http.statusCode();
    return switch (http.target()) {
      case "/three" -> http.method().equals("GET") && (status == 200 || status == 0);
      case "/seven" -> http.method().equals("GET") && (status == 404 || status == 0);
      // Where the content type was cut off it is not known to be gRPC.
      case "/a.B/C" -> http.method().equals("POST") && (status == 200 || status == 0);
      case "" -> true;
      default -> false;
    };
  }

  @Test
  void garbageNeverThrows() {
    Random random = new Random(44);
    for (int i = 0; i < 3000; i++) {
      Feed feed = random.nextBoolean() ? Feed.fresh() : Feed.midway();
      feed.capture(random.nextInt(300), random.nextInt(17));
      List<Turn> turns = exchange(Kind.any(random));
      for (int j = 0; j < 20; j++) {
        byte[] bytes;
        if (random.nextInt(3) == 0) {
          bytes = new byte[random.nextInt(300)];
          random.nextBytes(bytes);
        } else {
          // Something right with something wrong in it.
          bytes = turns.get(random.nextInt(turns.size())).bytes.clone();
          for (int k = random.nextInt(4); k > 0; k--) {
            bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
          }
          bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length + 20));
        }
        feed(feed, new Turn(random.nextBoolean(), bytes), 0, bytes.length);
        if (random.nextInt(15) == 0) {
          feed.connection.onLoss();
        }
      }
      feed.close();
      assertThat(feed.counters.calls.sum()).isEqualTo(feed.calls.size());
    }
  }

  @Test
  void chunkWithImpossibleLengthsIsHarmless() {
    Feed feed = Feed.fresh();
    Chunk chunk = new Chunk();
    chunk.data = bytes("GET / HTTP/1.1\r\n\r\n");
    for (long total : new long[] {-1, 0, 1, 5, 18, 40, Long.MAX_VALUE}) {
      for (int length : new int[] {-5, 0, 3, 18, 1000}) {
        for (int tail : new int[] {-3, 0, 9}) {
          chunk.totalLength = total;
          chunk.length = length;
          chunk.tailLength = tail;
          feed.connection.onChunk(chunk);
        }
      }
    }
    feed.close();
    assertThat(feed.connection.isDone()).isTrue();
  }
}
