package dev.underspan.bridge.wire;

import static dev.underspan.bridge.wire.Feed.answer;
import static dev.underspan.bridge.wire.Feed.bind;
import static dev.underspan.bridge.wire.Feed.describe;
import static dev.underspan.bridge.wire.Feed.done;
import static dev.underspan.bridge.wire.Feed.error;
import static dev.underspan.bridge.wire.Feed.execute;
import static dev.underspan.bridge.wire.Feed.extended;
import static dev.underspan.bridge.wire.Feed.hex;
import static dev.underspan.bridge.wire.Feed.join;
import static dev.underspan.bridge.wire.Feed.parse;
import static dev.underspan.bridge.wire.Feed.pg;
import static dev.underspan.bridge.wire.Feed.query;
import static dev.underspan.bridge.wire.Feed.ready;
import static dev.underspan.bridge.wire.Feed.sync;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class PgProtocolTest {
  // Length 8, 80877103.
  private static final byte[] SSL = hex("00000008 04d2162f");
  private static final byte[] PARSE1 = pg('1', "");
  private static final byte[] BIND2 = pg('2', "");

  private static byte[] startup() {
    String params = "user\0app\0database\0shop\0client_encoding\0UTF8\0\0";
    int n = params.length() + 8;
    return join(new byte[] {0, 0, 0, (byte) n, 0, 3, 0, 0}, Feed.bytes(params));
  }

  private static byte[] welcome() {
    return join(
        pg('R', "\0\0\0\0"),
        pg('S', "server_version\00017.2\0"),
        pg('K', "\0\0\0\1\0\0\0\2"),
        ready('I'));
  }

  static Feed connected() {
    return Feed.fresh()
        .out(SSL)
        .in("N")
        .out(startup())
        .in(pg('R', "\0\0\0\5salt"))
        .out(pg('p', "md5secret\0"))
        .in(welcome());
  }

  private static List<String> texts(Feed feed) {
    return feed.calls.stream().map(c -> Feed.sql(c).text()).toList();
  }

  @Test
  void startupIsNoCallAndNamesTheDatabase() {
    Feed feed = connected();
    assertThat(feed.calls).isEmpty();
    feed.out(query("SELECT 1")).in(answer("SELECT 1", 1));
    ClientCall call = feed.only();
    assertThat(call.details())
        .isEqualTo(
            new ClientCall.Sql(
                "postgresql", "SELECT 1", false, "SELECT ?", "SELECT", null, "shop", "app", null));
    assertThat(call.firstOnConnection()).isTrue();
    assertThat(call.startNs()).isEqualTo(1070);
    assertThat(call.firstByteNs()).isEqualTo(1077);
    assertThat(call.endNs()).isEqualTo(1080);
    assertThat(call.bytesOut()).isEqualTo(query("SELECT 1").length);
    assertThat(call.bytesIn()).isEqualTo(answer("SELECT 1", 1).length);
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }

  @Test
  void tlsStops() {
    Feed feed = Feed.fresh().out(SSL).in("S").out(query("SELECT 1"));
    assertThat(feed.connection.isDone()).isTrue();
    assertThat(feed.counters.tlsConnections.sum()).isEqualTo(1);
    // GSSENCRequest refused, then SSLRequest refused.
    feed = Feed.fresh().out(hex("00000008 04d21630")).in("N").out(SSL).in("N").out(startup());
    feed.in(welcome()).out(query("SELECT 1")).in(answer("SELECT 1", 1));
    assertThat(Feed.sql(feed.only()).user()).isEqualTo("app");
  }

  @Test
  void cancelRequestIsNoCall() {
    Feed feed = Feed.fresh().out(hex("00000010 04d2162e 00000001 00000002")).close();
    assertThat(feed.calls).isEmpty();
    assertThat(feed.counters.unknownProtocol.sum()).isZero();
  }

  /** As pgjdbc sends a query with one int parameter outside a transaction. */
  @Test
  void goldenExtendedQuery() {
    Feed feed =
        connected()
            .out(
                hex(
                    "50 00000015 00 53454c454354202431 00 0001 00000017"
                        + "42 00000016 00 00 0001 0001 0001 00000004 00000007 0000"
                        + "44 00000006 50 00 45 00000009 00 00000000 53 00000004"))
            .in(
                hex(
                    "31 00000004 32 00000004"
                        + "54 00000021 0001 3f636f6c756d6e3f00 00000000 0000 00000017 0004"
                        + "ffffffff 0000"
                        + "44 0000000b 0001 00000001 37"
                        + "43 0000000d 53454c454354203100 5a 00000005 49"));
    assertThat(Feed.sql(feed.only()).text()).isEqualTo("SELECT $1");
    assertThat(feed.only().bytesIn()).isEqualTo(5 + 5 + 34 + 12 + 14 + 6);
    assertThat(feed.only().complete()).isTrue();
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }

  @Test
  void namedStatementsAreRemembered() {
    Feed feed = connected();
    feed.out(
            join(
                parse("S_1", "SELECT a FROM t WHERE b = $1"), bind("", "S_1"), execute(""), sync()))
        .in(answer("SELECT 1", 1));
    feed.out(join(bind("", "S_1"), execute(""), sync()))
        .in(join(BIND2, done("SELECT 0"), ready('I')));
    assertThat(texts(feed)).hasSize(2).containsOnly("SELECT a FROM t WHERE b = $1");
    feed.out(join(pg('C', "SS_1\0"), bind("", "S_1"), execute(""), sync()))
        .in(join(pg('3', ""), error("26000"), ready('I')));
    assertThat(Feed.sql(feed.calls.get(2)).text()).isEmpty();
    assertThat(feed.calls.get(2).errorType()).isEqualTo("26000");
    assertThat(feed.counters.unknownStatements.sum()).isEqualTo(1);
  }

  @Test
  void statementCacheIsBounded() {
    Feed feed = connected();
    for (int i = 0; i < 300; i++) {
      feed.out(join(parse("S_" + i, "SELECT " + i), sync())).in(join(PARSE1, ready('I')));
    }
    assertThat(feed.calls).isEmpty();
    feed.out(join(bind("", "S_1"), execute(""), sync()))
        .in(join(BIND2, done("SELECT 1"), ready('I')));
    feed.out(join(bind("", "S_299"), execute(""), sync()))
        .in(join(BIND2, done("SELECT 1"), ready('I')));
    assertThat(texts(feed)).containsExactly("", "SELECT 299");
    assertThat(Feed.sql(feed.calls.get(0)).operation()).isEqualTo("SELECT");
  }

  @Test
  void beginInFrontOfTheStatement() {
    Feed feed = connected();
    byte[] begin = join(parse("", "BEGIN"), bind("", ""), execute(""));
    feed.out(join(begin, extended("INSERT INTO t VALUES ($1)")))
        .in(
            join(
                PARSE1,
                BIND2,
                done("BEGIN"),
                PARSE1,
                BIND2,
                pg('n', ""),
                done("INSERT 0 1"),
                ready('T')));
    assertThat(texts(feed)).containsExactly("BEGIN", "INSERT INTO t VALUES ($1)");
    assertThat(feed.calls.get(0).bytesOut()).isEqualTo(begin.length);
    assertThat(Feed.sql(feed.calls.get(1)).target()).isEqualTo("t");
  }

  @Test
  void pipelinedBatchAndErrorSkipsToSync() {
    Feed feed = connected();
    byte[] one = join(parse("", "INSERT INTO t VALUES (1)"), bind("", ""), execute(""));
    byte[] two = join(parse("", "INSERT INTO t VALUES (2)"), bind("", ""), execute(""));
    byte[] ok = join(PARSE1, BIND2, done("INSERT 0 1"));
    feed.out(join(one, two, one, sync()))
        .in(ok)
        .in(join(PARSE1, BIND2, error("23505"), ready('I')));
    assertThat(texts(feed)).containsExactly("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)");
    assertThat(feed.calls.get(0).errorType()).isNull();
    assertThat(feed.calls.get(0).endNs()).isEqualTo(1080);
    assertThat(feed.calls.get(1).errorType()).isEqualTo("23505");
    assertThat(feed.calls.get(1).endNs()).isEqualTo(1090);
    assertThat(feed.counters.callsSkipped.sum()).isEqualTo(1);
    // Two groups in flight, answered in order.
    feed.out(extended("SELECT 1"))
        .out(extended("SELECT 2"))
        .in(join(error("42P01"), ready('I'), answer("SELECT 1", 1)));
    assertThat(feed.calls).hasSize(4);
    assertThat(feed.calls.get(2).errorType()).isEqualTo("42P01");
    assertThat(feed.calls.get(3).errorType()).isNull();
  }

  @Test
  void bigBatchesAreBounded() {
    Feed feed = connected();
    byte[] one = join(bind("", "s"), execute(""));
    byte[] ok = join(BIND2, done("INSERT 0 1"));
    feed.out(join(parse("s", "INSERT INTO t VALUES ($1)")));
    for (int i = 0; i < 300; i++) {
      feed.out(one);
    }
    feed.out(sync()).in(PARSE1);
    for (int i = 0; i < 300; i++) {
      feed.in(ok);
    }
    feed.in(ready('I')).out(query("SELECT 1")).in(answer("SELECT 1", 1));
    assertThat(feed.calls).hasSize(257);
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(44);
    assertThat(texts(feed)).last().isEqualTo("SELECT 1");
    for (int i = 0; i < 300; i++) {
      feed.out(query("SELECT 2"));
    }
    for (int i = 0; i < 300; i++) {
      feed.in(answer("SELECT 1", 1));
    }
    feed.out(query("SELECT 3")).in(answer("SELECT 1", 1));
    assertThat(feed.calls).hasSize(257 + 257);
    assertThat(texts(feed)).last().isEqualTo("SELECT 3");
  }

  @Test
  void simpleQueryWithSeveralStatements() {
    Feed feed = connected().out(query("INSERT INTO t VALUES (1); SELECT 1"));
    feed.in(join(done("INSERT 0 1"), pg('T', "\0\0"), pg('N', "SNOTICE\0\0"), done("SELECT 0")));
    assertThat(feed.calls).isEmpty();
    feed.in(ready('I'));
    assertThat(feed.calls).hasSize(1);
    feed.out(query("")).in(join(pg('I', ""), ready('I')));
    assertThat(feed.calls).hasSize(2);
  }

  @Test
  void portalFetchedInParts() {
    Feed feed = connected();
    feed.out(join(parse("s", "SELECT a FROM t"), bind("C_1", "s"), execute("C_1"), sync()))
        .in(join(PARSE1, BIND2, pg('D', "\0\0"), pg('s', ""), ready('T')));
    feed.out(join(execute("C_1"), sync())).in(join(pg('D', "\0\0"), done("SELECT 2"), ready('T')));
    assertThat(texts(feed)).containsExactly("SELECT a FROM t", "SELECT a FROM t");
  }

  @Test
  void prepareWithoutExecuteIsACallOnlyIfItFails() {
    Feed feed = connected();
    feed.out(join(parse("s", "SELECT nope"), sync())).in(join(error("42703"), ready('I')));
    assertThat(feed.only().errorType()).isEqualTo("42703");
    feed.out(join(parse("s", "SELECT 1"), sync())).in(join(PARSE1, ready('I')));
    assertThat(feed.calls).hasSize(1);
  }

  @Test
  void copyBothWays() {
    Feed feed = connected().out(query("COPY t FROM STDIN")).in(pg('G', "\0\0\0"));
    feed.out(join(pg('d', "1\n"), pg('d', "2\n"))).out(pg('c', ""));
    feed.in(join(done("COPY 2"), ready('I')));
    assertThat(feed.only().requestEndNs()).isEqualTo(1100);
    assertThat(Feed.sql(feed.only()).operation()).isEqualTo("COPY");
    feed.out(query("COPY t TO STDOUT"))
        .in(join(pg('H', "\0\0\0"), pg('d', "1\n"), pg('c', ""), done("COPY 1"), ready('I')));
    assertThat(feed.calls).hasSize(2);
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }

  @Test
  void functionCallAndNotificationsAreNoCalls() {
    Feed feed = connected();
    feed.out(pg('F', "\0\0\0\1\0\0\0\0\0\0")).in(join(pg('V', "\0\0\0\0"), ready('I')));
    feed.in(join(pg('A', "\0\0\0\1ch\0x\0"), pg('S', "TimeZone\0UTC\0"), pg('N', "SWARNING\0\0")));
    feed.out(query("SELECT 1")).in(answer("SELECT 1", 1)).out(pg('X', "")).close();
    assertThat(texts(feed)).containsExactly("SELECT 1");
    assertThat(feed.only().complete()).isTrue();
  }

  @Test
  void closedBeforeTheAnswer() {
    Feed feed = connected().out(query("SELECT pg_sleep(9)")).close();
    assertThat(feed.only().complete()).isFalse();
    assertThat(feed.only().errorType()).isEqualTo("connection_closed");
    feed = connected().out(query("SELECT 1")).in(error("57P01")).close();
    assertThat(feed.only().complete()).isFalse();
    assertThat(feed.only().errorType()).isEqualTo("57P01");
  }

  @Test
  void longAnswerEndsByItsTail() {
    Feed feed = connected().capture(100, 16);
    feed.out(query("SELECT a FROM t")).in(answer("SELECT 500", 500)).in(PARSE1);
    ClientCall call = feed.only();
    assertThat(call.bytesIn()).isEqualTo(answer("SELECT 500", 500).length);
    assertThat(feed.counters.truncatedMessages.sum()).isEqualTo(1);
    assertThat(feed.counters.resynchronised.sum()).isEqualTo(1);
    feed.out(query("SELECT 1")).in(answer("SELECT 1", 1));
    assertThat(feed.calls).hasSize(2);
  }

  @Test
  void longAnswerInSeveralReadsEndsByItsTail() {
    Feed feed = connected().capture(100, 16).out(query("SELECT a FROM t"));
    byte[] all = answer("SELECT 500", 500);
    feed.in(java.util.Arrays.copyOf(all, 3001)).in(java.util.Arrays.copyOfRange(all, 3001, 6001));
    assertThat(feed.calls).isEmpty();
    // The ReadyForQuery itself is split.
    feed.in(java.util.Arrays.copyOfRange(all, 6001, all.length - 2));
    feed.in(java.util.Arrays.copyOfRange(all, all.length - 2, all.length));
    assertThat(feed.only().bytesIn()).isEqualTo(all.length);
    assertThat(feed.only().endNs()).isEqualTo(1110);
  }

  @Test
  void longAnswerWithoutTailEndsByTheNextRequest() {
    Feed feed = connected().capture(100, 0);
    feed.out(query("SELECT a FROM t")).in(answer("SELECT 500", 500));
    assertThat(feed.calls).isEmpty();
    feed.out(query("SELECT 1"));
    assertThat(feed.only().endNs()).isEqualTo(1080);
    feed.in(join(done("SELECT 1"), ready('I'))).out(pg('X', "")).close();
    assertThat(texts(feed)).containsExactly("SELECT a FROM t", "SELECT 1");
    assertThat(feed.counters.resynchronised.sum()).isEqualTo(1);
  }

  @Test
  void errorInUnseenBytesShowsInTheTransactionStatus() {
    Feed feed = connected().out(query("BEGIN")).in(join(done("BEGIN"), ready('T')));
    byte[] rows = answer("SELECT 90", 90);
    rows = java.util.Arrays.copyOf(rows, rows.length - 6 - 15);
    feed.capture(100, 16).out(query("SELECT a FROM t")).in(join(rows, error("22012"), ready('E')));
    assertThat(feed.calls.get(1).errorType()).isEqualTo("_OTHER");
  }

  @Test
  void longStatementWhoseExecuteWasNotSeen() {
    Feed feed = connected().capture(100, 16);
    String sql = "SELECT a FROM t WHERE b IN ('" + "x','".repeat(80) + "')";
    for (int i = 0; i < 3; i++) {
      feed.out(extended(sql)).in(join(PARSE1, BIND2, done("SELECT 1"), ready('I')));
    }
    assertThat(feed.calls).hasSize(3);
    ClientCall.Sql details = Feed.sql(feed.calls.get(2));
    assertThat(details.textTruncated()).isTrue();
    assertThat(details.sanitised()).isEqualTo("SELECT a FROM t WHERE b IN (?");
    assertThat(feed.calls.get(2).bytesOut()).isEqualTo(extended(sql).length);
    // Without a tail the answer tells that the request was over.
    feed.capture(100, 0);
    for (int i = 0; i < 3; i++) {
      feed.out(extended(sql)).in(join(PARSE1, BIND2, done("SELECT 1"), ready('I')));
    }
    assertThat(feed.calls).hasSize(6);
    // A simple query says how long it is.
    feed.out(query(sql)).in(join(done("SELECT 1"), ready('I')));
    assertThat(feed.calls).hasSize(7);
  }

  @Test
  void statementTextIsBounded() {
    Feed feed = connected().out(query("SELECT '" + "x".repeat(20_000) + "'"));
    feed.in(join(done("SELECT 1"), ready('I')));
    assertThat(Feed.sql(feed.only()).text()).hasSize(8192);
    assertThat(Feed.sql(feed.only()).textTruncated()).isTrue();
    assertThat(Feed.sql(feed.only()).sanitised()).isEqualTo("SELECT ?");
  }

  @Test
  void lostEventsDoNotShiftAnswers() {
    Feed feed = connected().out(query("SELECT a"));
    feed.connection.onLoss();
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(1);
    feed.out(query("SELECT b")).in(answer("SELECT 1", 1));
    feed.out(extended("SELECT c")).in(answer("SELECT 1", 1));
    assertThat(texts(feed)).containsExactly("SELECT b", "SELECT c");
    assertThat(feed.calls.get(1).endNs()).isEqualTo(feed.now);
  }

  @Test
  void answerMisreadAsALongMessageIsFoundOut() {
    Feed feed = connected().out(query("SELECT a"));
    // As if the chunk with the middle of the row were missing.
    feed.in(hex("44 00001000 0001")).in(join(done("SELECT 1"), ready('I')));
    feed.out(query("SELECT b")).in(answer("SELECT 1", 1));
    assertThat(texts(feed)).containsExactly("SELECT a", "SELECT b");
    assertThat(feed.counters.parseErrors.sum()).isEqualTo(1);
  }

  @Test
  void midway() {
    Feed feed = Feed.midway().in(answer("SELECT 1", 1));
    feed.out(join(bind("", "S_7"), describe(), execute(""), sync()))
        .in(join(BIND2, done("UPDATE 3"), ready('I')));
    assertThat(Feed.sql(feed.only()))
        .isEqualTo(
            new ClientCall.Sql("postgresql", "", true, "", "UPDATE", null, null, null, null));
    feed.out(extended("SELECT 1")).in(answer("SELECT 1", 1));
    assertThat(texts(feed)).containsExactly("", "SELECT 1");
    assertThat(feed.calls.get(0).firstOnConnection()).isFalse();
  }

  @Test
  void midwayInTheMiddleOfAnAnswer() {
    Feed feed = Feed.midway().out(query("SELECT 1")).in("rest of a row").in(answer("SELECT 1", 1));
    assertThat(texts(feed)).containsExactly("SELECT 1");
    assertThat(feed.counters.parseErrors.sum()).isEqualTo(1);
    assertThat(feed.counters.resynchronised.sum()).isEqualTo(1);
  }
}
