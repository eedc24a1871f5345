package dev.underspan.bridge.wire;

import static dev.underspan.bridge.wire.Feed.bytes;
import static dev.underspan.bridge.wire.Feed.hex;
import static dev.underspan.bridge.wire.Feed.join;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MySqlProtocolTest {
  private static final int AUTOCOMMIT = 2;
  private static final int DEPRECATE_EOF = 1 << 24;
  // PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, CONNECT_WITH_DB, CLIENT_MYSQL.
  private static final int LOGIN = 1 << 9 | 1 << 15 | 1 << 19 | 8 | 1;

  static byte[] packet(int sequence, byte[] payload) {
    int n = payload.length;
    return join(new byte[] {(byte) n, (byte) (n >> 8), (byte) (n >> 16), (byte) sequence}, payload);
  }

  private static byte[] packet(int sequence, String latin1) {
    return packet(sequence, bytes(latin1));
  }

  private static byte[] int32(long n) {
    return new byte[] {(byte) n, (byte) (n >> 8), (byte) (n >> 16), (byte) (n >> 24)};
  }

  static byte[] greeting(String version, int capabilities) {
    byte[] caps = int32(capabilities);
    return packet(
        0,
        join(
            bytes("\n" + version + "\0" + "\1\0\0\0" + "12345678" + "\0"),
            new byte[] {caps[0], caps[1], 45, 2, 0, caps[2], caps[3], 21},
            bytes("\0".repeat(10) + "abcdefghijkl\0mysql_native_password\0")));
  }

  static byte[] login(int capabilities) {
    return packet(
        1,
        join(
            int32(capabilities),
            int32(1 << 24),
            bytes("\55" + "\0".repeat(23)),
            bytes("joe\0" + "\u0014" + "p".repeat(20) + "shop\0mysql_native_password\0")));
  }

  static byte[] query(String sql) {
    return packet(0, "\3" + sql);
  }

  static byte[] ok(int sequence, int status) {
    return packet(sequence, new byte[] {0, 1, 0, (byte) status, (byte) (status >> 8), 0, 0});
  }

  static byte[] eof(int sequence, int status) {
    return packet(sequence, new byte[] {(byte) 0xfe, 0, 0, (byte) status, (byte) (status >> 8)});
  }

  /** What ends a result set with CLIENT_DEPRECATE_EOF. */
  static byte[] end(int sequence, int status) {
    return packet(
        sequence, new byte[] {(byte) 0xfe, 0, 0, (byte) status, (byte) (status >> 8), 0, 0});
  }

  static byte[] error(int sequence, int code) {
    return packet(sequence, "\377" + (char) (code & 0xff) + (char) (code >> 8) + "#42S02no such");
  }

  private static byte[] column(int sequence) {
    return packet(sequence, "\3def\4shop\1t\1t\1a\1a\14\77\0\13\0\0\0\3\0\0\0\0\0");
  }

  /** A result set of one column, old style or new; its rows are {@code "value"}. */
  static byte[] rows(int first, int rows, boolean deprecateEof, int status) {
    int sequence = first;
    byte[] all = join(packet(sequence++, "\1"), column(sequence++));
    if (!deprecateEof) {
      all = join(all, eof(sequence++, status));
    }
    for (int i = 0; i < rows; i++) {
      all = join(all, packet(sequence++, "\5value"));
    }
    return join(all, deprecateEof ? end(sequence, status) : eof(sequence, status));
  }

  static byte[] execute(int statement) {
    return packet(0, join(bytes("\27"), int32(statement), bytes("\0\1\0\0\0\0\1\3\0\7\0\0\0")));
  }

  static byte[] prepared(int statement, int columns, int parameters, boolean deprecateEof) {
    byte[] counts = {(byte) columns, 0, (byte) parameters, 0, 0, 0, 0};
    byte[] all = packet(1, join(bytes("\0"), int32(statement), counts));
    int sequence = 2;
    for (int n : new int[] {parameters, columns}) {
      for (int i = 0; i < n; i++) {
        all = join(all, column(sequence++));
      }
      if (n > 0 && !deprecateEof) {
        all = join(all, eof(sequence++, AUTOCOMMIT));
      }
    }
    return all;
  }

  static byte[] prepare(String sql) {
    return packet(0, "\26" + sql);
  }

  static Feed connected(String version, int capabilities) {
    return Feed.fresh()
        .in(greeting(version, -1))
        .out(login(LOGIN | capabilities))
        .in(ok(2, AUTOCOMMIT));
  }

  private static Feed connected() {
    return connected("8.4.3", DEPRECATE_EOF);
  }

  private static List<String> texts(Feed feed) {
    return feed.calls.stream().map(c -> Feed.sql(c).text()).toList();
  }

  private static void assertClean(Feed feed) {
    assertThat(feed.counters.parseErrors.sum()).isZero();
    assertThat(feed.counters.truncatedMessages.sum()).isZero();
    assertThat(feed.counters.callsDropped.sum()).isZero();
    assertThat(feed.counters.resynchronised.sum()).isZero();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void loginIsNoCallAndNamesTheDatabase(boolean deprecateEof) {
    Feed feed = connected("8.4.3", deprecateEof ? DEPRECATE_EOF : 0);
    assertThat(feed.calls).isEmpty();
    byte[] answer = rows(1, 3, deprecateEof, AUTOCOMMIT);
    feed.out(query("SELECT a FROM t WHERE b = \"x\"")).in(answer);
    ClientCall call = feed.only();
    assertThat(call.details())
        .isEqualTo(
            new ClientCall.Sql(
                "mysql",
                "SELECT a FROM t WHERE b = \"x\"",
                false,
                "SELECT a FROM t WHERE b = ?",
                "SELECT",
                "t",
                "shop",
                "joe",
                null));
    assertThat(call.firstOnConnection()).isTrue();
    assertThat(call.bytesIn()).isEqualTo(answer.length);
    assertThat(call.startNs()).isEqualTo(1040);
    assertThat(call.firstByteNs()).isEqualTo(1047);
    assertThat(call.endNs()).isEqualTo(1050);
    feed.out(packet(0, "\1")).close();
    assertThat(feed.calls).hasSize(1);
    assertClean(feed);
  }

  /** From the MySQL source documentation, "Protocol::HandshakeV10" and "HandshakeResponse41". */
  @Test
  void goldenLogin() {
    Feed feed =
        Feed.fresh()
            .in(
                hex(
                    "36000000 0a 352e352e322d6d3200 0b000000 64764840492d434a 00 fff7 08 0200"
                        + "0000 00 00000000000000000000 2a34647c635a776b345e5d3a00"))
            .out(
                hex(
                    "54000001 8da20f00 00000001 08 "
                        + "00".repeat(23)
                        + "70616d00 14 ab09eef6bcb132 3e61143865c0991d957d75d447 7465737400"
                        + "6d7973716c5f6e61746976655f70617373776f726400"))
            .in(hex("07000002 00 00 00 0200 0000"))
            .out(hex("0c000000 03 53454c4543542055534552"))
            .in(ok(1, AUTOCOMMIT));
    assertThat(Feed.sql(feed.only()).database()).isEqualTo("test");
    assertThat(Feed.sql(feed.only()).user()).isEqualTo("pam");
    assertThat(Feed.sql(feed.only()).text()).isEqualTo("SELECT USER");
    assertClean(feed);
  }

  @Test
  void mariaDbIsTold() {
    Feed feed = connected("5.5.5-10.11.6-MariaDB-0+deb12u1", DEPRECATE_EOF);
    feed.out(query("SELECT 1")).in(rows(1, 1, true, 2));
    assertThat(Feed.sql(feed.only()).system()).isEqualTo("mariadb");
    // No greeting, but MariaDB's capabilities.
    byte[] login = login(LOGIN & ~1);
    login[32] = 4;
    feed = Feed.fresh().out(login).in(ok(2, 2)).out(query("SELECT 1")).in(rows(1, 1, false, 2));
    assertThat(Feed.sql(feed.only()).system()).isEqualTo("mariadb");
    feed = Feed.fresh().out(login(LOGIN)).in(ok(2, 2)).out(query("SELECT 1"));
    feed.in(rows(1, 1, false, 2));
    assertThat(Feed.sql(feed.only()).system()).isEqualTo("mysql");
    // The greeting in pieces.
    byte[] greeting = greeting("11.4.2-MariaDB", -1);
    feed = Feed.fresh().in(Arrays.copyOf(greeting, 4));
    feed.in(Arrays.copyOfRange(greeting, 4, greeting.length)).out(login(LOGIN)).in(ok(2, 2));
    feed.out(query("SELECT 1")).in(rows(1, 1, false, 2));
    assertThat(Feed.sql(feed.only()).system()).isEqualTo("mariadb");
  }

  @Test
  void tlsAndCompressionStop() {
    byte[] ssl =
        packet(1, join(int32(LOGIN | 1 << 11), int32(1 << 24), bytes("\55" + "\0".repeat(23))));
    for (Feed feed : List.of(Feed.fresh().in(greeting("8.4.3", -1)), Feed.fresh())) {
      feed.out(ssl).out("\26\3\1");
      assertThat(feed.connection.isDone()).isTrue();
      assertThat(feed.counters.tlsConnections.sum()).isEqualTo(1);
    }
    for (int flag : new int[] {1 << 5, 1 << 26}) {
      Feed feed = connected("8.4.3", flag);
      assertThat(feed.connection.isDone()).isTrue();
      assertThat(feed.counters.compressedConnections.sum()).isEqualTo(1);
    }
    // Asked for, but not offered.
    Feed feed = Feed.fresh().in(greeting("8.4.3", LOGIN)).out(login(LOGIN | 1 << 5)).in(ok(2, 2));
    feed.out(query("SELECT 1")).in(rows(1, 1, false, 2));
    assertThat(feed.calls).hasSize(1);
  }

  @Test
  void authenticationInSeveralTurns() {
    Feed feed = Feed.fresh().in(greeting("8.4.3", -1)).out(login(LOGIN));
    feed.in(packet(2, "\376caching_sha2_password\0" + "12345678901234567890\0"));
    feed.out(packet(3, "x".repeat(32))).in(packet(4, "\1\4")).out(packet(5, "\2"));
    feed.in(packet(6, "\1-----BEGIN PUBLIC KEY-----")).out(packet(7, "y".repeat(256)));
    feed.in(ok(8, 2)).out(query("SELECT 1")).in(rows(1, 1, false, 2));
    assertThat(texts(feed)).containsExactly("SELECT 1");
    assertClean(feed);
    feed = Feed.fresh().in(greeting("8.4.3", -1)).out(login(LOGIN)).in(error(2, 1045)).close();
    assertThat(feed.calls).isEmpty();
  }

  @Test
  void errorsCarryTheVendorsCode() {
    Feed feed = connected().out(query("SELECT * FROM nope")).in(error(1, 1146));
    assertThat(feed.only().errorType()).isEqualTo("1146");
    assertThat(Feed.sql(feed.only()).responseCode()).isEqualTo("1146");
    assertThat(feed.only().complete()).isTrue();
    // Among the rows; and MariaDB's reports of progress are none.
    byte[] begun = join(packet(1, "\1"), column(2), packet(3, "\5value"));
    feed.out(query("SELECT a FROM t")).in(join(begun, error(4, 1317)));
    assertThat(feed.calls.get(1).errorType()).isEqualTo("1317");
    feed.out(query("ALTER TABLE t ENGINE=InnoDB")).in(error(1, 0xffff)).in(ok(2, 2));
    assertThat(feed.calls.get(2).errorType()).isNull();
    assertClean(feed);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void preparedStatements(boolean deprecateEof) {
    Feed feed = connected("8.4.3", deprecateEof ? DEPRECATE_EOF : 0);
    feed.out(prepare("SELECT a FROM t WHERE b = ?")).in(prepared(7, 1, 1, deprecateEof));
    assertThat(feed.calls).isEmpty();
    feed.out(execute(7)).in(rows(1, 2, deprecateEof, 2));
    feed.out(packet(0, join(bytes("\32"), int32(7)))).in(ok(1, 2));
    feed.out(packet(0, join(bytes("\30"), int32(7), bytes("\0\0long data"))));
    feed.out(execute(7)).in(rows(1, 0, deprecateEof, 2));
    assertThat(texts(feed)).hasSize(2).containsOnly("SELECT a FROM t WHERE b = ?");
    feed.out(packet(0, join(bytes("\31"), int32(7)))).out(execute(7)).in(error(1, 1243));
    assertThat(Feed.sql(feed.calls.get(2)).text()).isEmpty();
    assertThat(feed.counters.unknownStatements.sum()).isEqualTo(1);
    feed.out(prepare("SELEC")).in(error(1, 1064));
    assertThat(feed.calls.get(3).errorType()).isEqualTo("1064");
    assertThat(texts(feed).get(3)).isEqualTo("SELEC");
    assertClean(feed);
  }

  @Test
  void preparedWithoutLastEofKnown() {
    // Joined midway: whether an EOF follows the definitions cannot be known before it is there.
    for (boolean deprecateEof : new boolean[] {true, false}) {
      Feed feed = Feed.midway().out(prepare("INSERT INTO t VALUES (?)"));
      feed.in(prepared(1, 0, 2, deprecateEof)).out(execute(1)).in(ok(1, 2));
      feed.out(prepare("SELECT ?")).out(execute(-1));
      feed.in(join(prepared(2, 1, 1, deprecateEof), rows(1, 1, deprecateEof, 2)));
      assertThat(texts(feed)).containsExactly("INSERT INTO t VALUES (?)", "SELECT ?");
      assertThat(feed.calls.get(1).bytesIn()).isEqualTo(rows(1, 1, deprecateEof, 2).length);
      assertClean(feed);
    }
  }

  @Test
  void statementCacheIsBounded() {
    Feed feed = connected();
    for (int i = 0; i < 300; i++) {
      feed.out(prepare("SELECT " + i)).in(prepared(i, 1, 0, true));
    }
    feed.out(execute(1)).in(rows(1, 1, true, 2)).out(execute(299)).in(rows(1, 1, true, 2));
    assertThat(texts(feed)).containsExactly("", "SELECT 299");
  }

  @Test
  void cursors() {
    for (boolean deprecateEof : new boolean[] {true, false}) {
      Feed feed = connected("8.4.3", deprecateEof ? DEPRECATE_EOF : 0);
      feed.out(prepare("SELECT a FROM t")).in(prepared(3, 1, 0, deprecateEof)).out(execute(3));
      byte[] opened = join(packet(1, "\1"), column(2));
      feed.in(join(opened, deprecateEof ? end(3, 0x42) : eof(3, 0x42)));
      byte[] fetch = packet(0, join(bytes("\34"), int32(3), int32(10)));
      byte[] part = join(packet(1, "\0\0\1\0\0\0"), packet(2, "\0\0\2\0\0\0"));
      feed.out(fetch).in(join(part, deprecateEof ? end(3, 0x42) : eof(3, 0x42)));
      feed.out(fetch).in(deprecateEof ? end(1, 0x82) : eof(1, 0x82));
      assertThat(texts(feed)).hasSize(3).containsOnly("SELECT a FROM t");
      assertClean(feed);
    }
  }

  @Test
  void severalResults() {
    int more = AUTOCOMMIT | 8;
    Feed feed = connected().out(query("INSERT INTO t VALUES (1); SELECT a FROM t; CALL p()"));
    feed.in(ok(1, more)).in(rows(2, 2, true, more));
    assertThat(feed.calls).isEmpty();
    feed.in(rows(7, 1, true, more)).in(ok(11, AUTOCOMMIT));
    assertThat(feed.only().endNs()).isEqualTo(feed.now);
    feed.out(query("SELECT 1; SELEC")).in(join(rows(1, 1, true, more), error(5, 1064)));
    assertThat(feed.calls.get(1).errorType()).isEqualTo("1064");
    assertClean(feed);
  }

  @Test
  void localInfile() {
    Feed feed = connected().out(query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t"));
    feed.in(packet(1, "\373x")).out(packet(2, "1,a\n2,b\n")).out(packet(3, "")).in(ok(4, 2));
    assertThat(Feed.sql(feed.only()).target()).isEqualTo("t");
    assertThat(feed.only().requestEndNs()).isEqualTo(1070);
    assertThat(feed.only().bytesOut()).isEqualTo(44 + 12 + 4);
    feed.out(query("SELECT 1")).in(rows(1, 1, true, 2));
    assertThat(feed.calls).hasSize(2);
    assertClean(feed);
  }

  @Test
  void packetsOf16Mebibytes() {
    int full = 0xffffff;
    byte[] big = new byte[full];
    Arrays.fill(big, (byte) 'x');
    byte[] insert = bytes("\3INSERT INTO t VALUES ('");
    System.arraycopy(insert, 0, big, 0, insert.length);
    Feed feed = connected().capture(8192, 16);
    feed.out(packet(0, big)).out(packet(1, big)).out(packet(2, "xxx')")).in(ok(3, 2));
    assertThat(feed.only().bytesOut()).isEqualTo(2L * full + 5 + 12);
    assertThat(Feed.sql(feed.only()).sanitised()).isEqualTo("INSERT INTO t VALUES (?");
    assertThat(Feed.sql(feed.only()).textTruncated()).isTrue();
    // The second header among unseen bytes, so that the answer's number is not known.
    byte[] split = join(packet(0, big), packet(1, "xxx')"));
    int middle = split.length - 9_000;
    Feed holes = connected().capture(100, 0).out(Arrays.copyOf(split, middle));
    holes.out(Arrays.copyOfRange(split, middle, split.length)).in(ok(2, 2));
    assertThat(holes.only().bytesOut()).isEqualTo(split.length);
    assertThat(holes.counters.parseErrors.sum()).isZero();
    // A row whose first packet looks like an end, and whose second like an error.
    big[0] = (byte) 0xfe;
    feed.out(query("SELECT a FROM t")).in(join(packet(1, "\1"), column(2)));
    feed.in(packet(3, big)).in(packet(4, "\377\1\1")).in(end(5, 2));
    assertThat(feed.calls.get(1).errorType()).isNull();
    assertThat(feed.calls.get(1).endNs()).isEqualTo(feed.now);
    assertClean(feed);
  }

  @Test
  void pipelinedBatch() {
    Feed feed = connected("11.4.2-MariaDB", DEPRECATE_EOF);
    feed.out(prepare("INSERT INTO t VALUES (?)")).in(prepared(1, 0, 1, true));
    for (int i = 0; i < 300; i++) {
      feed.out(execute(1));
    }
    for (int i = 0; i < 300; i++) {
      feed.in(i == 100 ? error(1, 1062) : ok(1, 2));
    }
    feed.out(query("COMMIT")).in(ok(1, 2));
    assertThat(feed.calls).hasSize(257);
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(44);
    assertThat(feed.calls.get(100).errorType()).isEqualTo("1062");
    assertThat(feed.calls.get(101).errorType()).isNull();
    assertThat(texts(feed)).last().isEqualTo("COMMIT");
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }

  @Test
  void databaseChanges() {
    Feed feed = connected();
    feed.out(packet(0, "\2stock")).in(ok(1, 2)).out(query("SELECT 1")).in(rows(1, 1, true, 2));
    feed.out(query("use `shop 2`;")).in(error(1, 1049));
    feed.out(query("USE shop2")).in(ok(1, 2)).out(query("SELECT 1")).in(rows(1, 1, true, 2));
    feed.out(packet(0, "\16")).in(ok(1, 2));
    byte[] change = bytes("\21ann\0" + "\u0014" + "p".repeat(20) + "books\0\41\0plugin\0");
    feed.out(packet(0, change)).in(packet(1, "\376plugin\0salt\0")).out(packet(2, "answer"));
    feed.in(ok(3, 2)).out(query("SELECT 1")).in(rows(1, 1, true, 2));
    assertThat(feed.calls)
        .extracting(c -> Feed.sql(c).database())
        .containsExactly("stock", "stock", "stock", "shop2", "books");
    assertThat(Feed.sql(feed.calls.get(4)).user()).isEqualTo("ann");
    assertClean(feed);
  }

  @Test
  void queryAttributes() {
    Feed feed = connected("8.4.3", DEPRECATE_EOF | 1 << 27);
    feed.out(packet(0, "\3\0\1SELECT 1")).in(rows(1, 1, true, 2));
    // One string, "a" = "xyz", and one number, "b" = 7.
    feed.out(packet(0, "\3\2\1\0\1\376\0\1a\3\0\1b\3xyz\7\0\0\0SELECT 2"));
    feed.in(rows(1, 1, true, 2));
    assertThat(texts(feed)).containsExactly("SELECT 1", "SELECT 2");
    feed.out(packet(0, "\3\2\1\0\1\376\0\1a\3\0")).in(error(1, 1064));
    assertThat(texts(feed)).last().isEqualTo("");
    feed = Feed.midway().out(packet(0, "\3\0\1SELECT 1")).in(rows(1, 1, true, 2));
    assertThat(texts(feed)).containsExactly("SELECT 1");
  }

  @Test
  void definitionsLeftOut() {
    Feed feed = connected("11.4.2-MariaDB", 0).out(prepare("SELECT a FROM t"));
    feed.in(prepared(1, 1, 0, false)).out(execute(1));
    feed.in(join(packet(1, "\1\0"), eof(2, 2), packet(3, "\0\0\1\0\0\0"), eof(4, 2)));
    feed.out(execute(1)).in(join(packet(1, "\1\1"), column(2), eof(3, 2), eof(4, 2)));
    assertThat(feed.calls).hasSize(2);
    assertClean(feed);
  }

  @Test
  void backslashesByTheServersMode() {
    Feed feed = connected().out(query("SELECT 'a\\', 'b'")).in(rows(1, 1, true, 2 | 1 << 9));
    assertThat(Feed.sql(feed.only()).sanitised()).isEqualTo("SELECT ?, ?");
    feed.out(query("SELECT 'a\\', 'b'")).in(rows(1, 1, true, 2));
    assertThat(Feed.sql(feed.calls.get(1)).sanitised()).doesNotContain("'").startsWith("SELECT ?");
  }

  @Test
  void longAnswerEndsByItsTail() {
    for (boolean deprecateEof : new boolean[] {true, false}) {
      Feed feed = connected("8.4.3", deprecateEof ? DEPRECATE_EOF : 0).capture(100, 16);
      byte[] all = rows(1, 500, deprecateEof, 2);
      feed.out(query("SELECT a FROM t")).in(all);
      assertThat(feed.only().bytesIn()).isEqualTo(all.length);
      assertThat(feed.counters.truncatedMessages.sum()).isEqualTo(1);
      assertThat(feed.counters.resynchronised.sum()).isEqualTo(1);
      // In several reads, the last of which splits the end.
      feed.out(query("SELECT a FROM t")).in(Arrays.copyOf(all, 1001));
      feed.in(Arrays.copyOfRange(all, 1001, all.length - 3));
      assertThat(feed.calls).hasSize(1);
      feed.in(Arrays.copyOfRange(all, all.length - 3, all.length));
      assertThat(feed.calls).hasSize(2);
      // More results to come.
      feed.out(query("CALL p()")).in(rows(1, 500, deprecateEof, 2 | 8));
      assertThat(feed.calls).hasSize(2);
      feed.in(ok(250, 2)).out(query("SELECT 1")).in(rows(1, 1, deprecateEof, 2));
      assertThat(texts(feed)).last().isEqualTo("SELECT 1");
      assertThat(feed.calls).hasSize(4);
      assertThat(feed.counters.callsDropped.sum()).isZero();
    }
  }

  @Test
  void longAnswerWithoutTailEndsByTheNextCommand() {
    Feed feed = connected().capture(100, 0);
    feed.out(query("SELECT a FROM t")).in(rows(1, 500, true, 2));
    assertThat(feed.calls).isEmpty();
    feed.out(query("SELECT 1"));
    assertThat(feed.only().endNs()).isEqualTo(1050);
    assertThat(feed.only().complete()).isTrue();
    feed.in(rows(1, 1, true, 2)).out(query("SELECT a FROM t")).in(rows(1, 500, true, 2)).close();
    assertThat(feed.calls).hasSize(3);
    assertThat(feed.calls.get(2).complete()).isTrue();
  }

  @Test
  void longStatement() {
    Feed feed = connected().capture(100, 16);
    String sql = "SELECT a FROM t WHERE b IN ('" + "x','".repeat(80) + "')";
    feed.out(query(sql)).in(ok(1, 2)).out(prepare(sql)).in(prepared(1, 0, 0, true));
    feed.out(execute(1)).in(ok(1, 2));
    assertThat(feed.calls).hasSize(2);
    assertThat(Feed.sql(feed.calls.get(1)).sanitised()).isEqualTo("SELECT a FROM t WHERE b IN (?");
    assertThat(Feed.sql(feed.calls.get(1)).textTruncated()).isTrue();
    feed.capture(Feed.ALL, 0).out(query("SELECT '" + "x".repeat(20_000) + "'")).in(ok(1, 2));
    assertThat(Feed.sql(feed.calls.get(2)).text()).hasSize(8192);
  }

  @Test
  void lostEventsDoNotShiftAnswers() {
    Feed feed = connected().out(query("SELECT a"));
    feed.connection.onLoss();
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(1);
    feed.in(rows(1, 1, true, 2)).out(query("SELECT b")).in(rows(1, 1, true, 2));
    feed.out(prepare("SELECT c")).in(prepared(1, 1, 0, true)).out(execute(1));
    feed.in(rows(1, 1, true, 2));
    assertThat(texts(feed)).containsExactly("SELECT b", "SELECT c");
    assertThat(feed.calls.get(1).endNs()).isEqualTo(feed.now);
    // Lost before the end of the login.
    feed = Feed.fresh().in(greeting("8.4.3", -1)).out(login(LOGIN));
    feed.connection.onLoss();
    feed.out(query("SELECT 1")).in(rows(1, 1, true, 2));
    assertThat(texts(feed)).containsExactly("SELECT 1");
  }

  @Test
  void wrongSequenceIsFoundOut() {
    Feed feed = connected().out(query("SELECT a FROM t"));
    // As if a chunk were missing.
    byte[] all = rows(1, 20, true, 2);
    feed.in(Arrays.copyOf(all, 60)).in(Arrays.copyOfRange(all, 90, all.length));
    feed.out(query("SELECT 1")).in(rows(1, 1, true, 2));
    assertThat(texts(feed)).containsExactly("SELECT a FROM t", "SELECT 1");
    assertThat(feed.counters.parseErrors.sum()).isEqualTo(1);
  }

  @Test
  void midway() {
    for (byte[] first :
        List.of(query("SELECT 1"), execute(9), packet(0, join(bytes("\31"), int32(4))))) {
      Feed feed = Feed.midway().in(rows(1, 1, true, 2)).out(first);
      if (first[4] != 0x19) {
        feed.in(rows(1, 1, true, 2));
      }
      feed.out(query("/* c */ SELECT 2")).in(rows(1, 1, false, 2));
      assertThat(texts(feed)).last().isEqualTo("/* c */ SELECT 2");
      assertThat(Feed.sql(feed.calls.get(0)).system()).isEqualTo("mysql");
      assertThat(Feed.sql(feed.calls.get(0)).database()).isNull();
      assertClean(feed);
    }
    Feed feed = Feed.midway().out(query("SELECT 1")).in("rest of a row").in(rows(1, 9, true, 2));
    assertThat(texts(feed)).containsExactly("SELECT 1");
    for (String no :
        List.of("\5\0\0\0\3\1\2\3\4", "\5\0\0\1\3SELE", "\1\0\0\0\1", "\4\0\0\0\31ab")) {
      assertThat(Feed.midway().out(no).in("answer").counters.unknownProtocol.sum()).isEqualTo(1);
    }
  }

  @Test
  void closedBeforeTheAnswer() {
    Feed feed = connected().out(query("SELECT SLEEP(9)")).close();
    assertThat(feed.only().complete()).isFalse();
    assertThat(feed.only().errorType()).isEqualTo("connection_closed");
    feed = connected().out(packet(0, "\16")).close();
    assertThat(feed.calls).isEmpty();
  }

  @Test
  void replicationStops() {
    Feed feed = connected().out(packet(0, "\22\4\0\0\0\0\0\1\0\0\0bin.1"));
    assertThat(feed.connection.isDone()).isTrue();
    assertThat(feed.counters.upgraded.sum()).isEqualTo(1);
  }

  @Test
  void recognisedHoweverTheLoginIsCut() {
    byte[] login = login(LOGIN | DEPRECATE_EOF);
    for (boolean greeted : new boolean[] {true, false}) {
      for (int at = 1; at < login.length; at++) {
        Feed feed = greeted ? Feed.fresh().in(greeting("8.4.3", -1)) : Feed.fresh();
        feed.out(Arrays.copyOf(login, at)).out(Arrays.copyOfRange(login, at, login.length));
        feed.in(ok(2, 2)).out(query("SELECT 1")).in(rows(1, 1, true, 2));
        assertThat(Feed.sql(feed.only()).database()).as("cut at %s", at).isEqualTo("shop");
        assertThat(feed.counters.truncatedMessages.sum()).isEqualTo(greeted ? 0 : 1);
      }
    }
  }
}
