package dev.underspan.bridge.wire;

import static dev.underspan.bridge.wire.Feed.bytes;
import static dev.underspan.bridge.wire.Feed.join;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RedisProtocolTest {
  private static final String OK = "+OK\r\n";
  private static final String QUEUED = "+QUEUED\r\n";

  static byte[] command(String... words) {
    StringBuilder out = new StringBuilder("*" + words.length + "\r\n");
    for (String word : words) {
      out.append(blob(word));
    }
    return bytes(out.toString());
  }

  static String blob(String content) {
    return "$" + content.length() + "\r\n" + content + "\r\n";
  }

  private static String array(String... elements) {
    return "*" + elements.length + "\r\n" + String.join("", elements);
  }

  private static ClientCall.Command details(ClientCall call) {
    return (ClientCall.Command) call.details();
  }

  private static List<String> texts(Feed feed) {
    return feed.calls.stream().map(c -> details(c).text()).toList();
  }

  private static List<String> namespaces(Feed feed) {
    return feed.calls.stream().map(c -> details(c).namespace()).toList();
  }

  private static void assertClean(Feed feed) {
    assertThat(feed.counters.parseErrors.sum()).isZero();
    assertThat(feed.counters.truncatedMessages.sum()).isZero();
    assertThat(feed.counters.callsDropped.sum()).isZero();
  }

  @Test
  void commandAndReply() {
    byte[] set = bytes("*3\r\n$3\r\nset\r\n$3\r\nkey\r\n$5\r\nvalue\r\n");
    Feed feed = Feed.fresh().out(set).in(OK);
    ClientCall call = feed.only();
    assertThat(call.details())
        .isEqualTo(new ClientCall.Command("redis", "SET", "SET ? ?", "0", null));
    assertThat(call.startNs()).isEqualTo(1010);
    assertThat(call.firstByteNs()).isEqualTo(1017);
    assertThat(call.endNs()).isEqualTo(1020);
    assertThat(call.bytesOut()).isEqualTo(set.length);
    assertThat(call.bytesIn()).isEqualTo(5);
    assertThat(call.complete()).isTrue();
    assertThat(call.errorType()).isNull();
    assertClean(feed);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "+OK^",
        ":1000^",
        "$5^hello^",
        "$0^^",
        "$-1^",
        "*-1^",
        "*0^",
        "*2^$5^hello^:1^",
        "*3^*2^:1^*0^*1^$-1^%1^+a^~1^:2^",
        "_^",
        "#t^",
        ",1.23^",
        "(3492890328409238509324850943850943825024385^",
        "=15^txt:Some string^",
        "%2^+first^:1^+second^*2^:2^_^",
        "~5^+orange^+apple^#t^:100^:999^",
        "|1^+ttl^:3600^:5^",
        "|1^+key-popularity^%2^$1^a^,0.1923^$1^b^,0.0012^*2^:2039123^|1^+ttl^:3^:9543892^",
        ">2^+message^+x^+OK^",
      })
  void replies(String reply) {
    String wire = reply.replace("^", "\r\n");
    Feed whole = Feed.fresh().out(command("GET", "k")).in(wire);
    assertThat(whole.only().complete()).as(wire).isTrue();
    assertClean(whole);
    for (int at = 0; at <= wire.length(); at++) {
      Feed feed = Feed.fresh().out(command("GET", "k"));
      feed.in(wire.substring(0, at)).in(wire.substring(at));
      assertThat(feed.only().details()).isEqualTo(whole.only().details());
      feed.out(command("GET", "k")).in(OK);
      assertThat(feed.calls).hasSize(2);
      assertClean(feed);
    }
  }

  @Test
  void errors() {
    Feed feed = Feed.fresh().out(command("INCR", "k"));
    feed.in("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    assertThat(feed.only().details())
        .isEqualTo(new ClientCall.Command("redis", "INCR", "INCR ?", "0", "WRONGTYPE"));
    assertThat(feed.only().errorType()).isEqualTo("WRONGTYPE");
    assertThat(feed.only().complete()).isTrue();
    feed.out(command("X")).in("!21\r\nSYNTAX invalid syntax\r\n");
    assertThat(feed.calls.get(1).errorType()).isEqualTo("SYNTAX");
    feed.out(command("GET", "k")).in("-MOVED 3999 127.0.0.1:6381\r\n");
    assertThat(feed.calls.get(2).errorType()).isEqualTo("MOVED");
    // A script's own words may hold anything.
    feed.out(command("EVAL", "return redis.error_reply('Joe is wrong')", "0"))
        .in("-Joe is wrong\r\n");
    assertThat(feed.calls.get(3).errorType()).isEqualTo("_OTHER");
    assertThat(details(feed.calls.get(3)).responseCode()).isNull();
    assertThat(details(feed.calls.get(3)).text()).isEqualTo("EVAL ? ?");
    assertClean(feed);
  }

  @Test
  void pipelineIsACallEach() {
    Feed feed =
        Feed.fresh()
            .out(join(command("SET", "a", "1"), command("GET", "a"), command("DEL", "a")))
            .in(OK + blob("1"))
            .in(":1\r\n");
    assertThat(texts(feed)).containsExactly("SET ? ?", "GET ?", "DEL ?");
    assertThat(feed.calls.get(1).bytesOut()).isEqualTo(command("GET", "a").length);
    assertThat(feed.calls.get(1).bytesIn()).isEqualTo(7);
    assertThat(feed.calls.get(1).endNs()).isEqualTo(1020);
    assertThat(feed.calls.get(2).endNs()).isEqualTo(1030);
    assertClean(feed);
  }

  @Test
  void bigPipelineIsBounded() {
    Feed feed = Feed.fresh();
    for (int i = 0; i < 400; i++) {
      feed.out(command("INCR", "a"));
    }
    for (int i = 0; i < 400; i++) {
      feed.in(":1\r\n");
    }
    feed.out(command("GET", "a")).in(blob("400"));
    assertThat(feed.calls).hasSize(257);
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(144);
    assertThat(texts(feed)).last().isEqualTo("GET ?");
  }

  @Test
  void transaction() {
    Feed feed = Feed.fresh().out(command("MULTI")).in(OK);
    feed.out(command("SET", "a", "1")).in(QUEUED).out(command("SELECT", "3")).in(QUEUED);
    feed.out(command("INCR", "l")).in(QUEUED);
    feed.out(command("EXEC")).in(array(OK, OK, "-WRONGTYPE no\r\n"));
    feed.out(command("GET", "a")).in("$-1\r\n");
    assertThat(texts(feed))
        .containsExactly("MULTI", "SET ? ?", "SELECT ?", "INCR ?", "EXEC", "GET ?");
    assertThat(namespaces(feed)).containsExactly("0", "0", "0", "0", "0", "3");
    assertThat(feed.calls).allMatch(c -> c.errorType() == null);
    feed.out(join(command("MULTI"), command("SELECT", "4"), command("EXEC")))
        .in(OK + QUEUED + "*-1\r\n")
        .out(command("MULTI"))
        .in(OK)
        .out(command("SELECT", "5"))
        .in(QUEUED)
        .out(command("DISCARD"))
        .in(OK)
        .out(command("NOPE"))
        .in("-EXECABORT Transaction discarded because of previous errors.\r\n");
    assertThat(namespaces(feed)).last().isEqualTo("3");
    assertThat(feed.calls.get(feed.calls.size() - 1).errorType()).isEqualTo("EXECABORT");
    assertClean(feed);
  }

  @Test
  void databaseIndex() {
    Feed feed = Feed.fresh().out(join(command("AUTH", "joe", "secret"), command("SELECT", "7")));
    feed.in(OK + OK).out(command("GET", "k")).in(blob("v"));
    feed.out(command("SELECT", "99")).in("-ERR DB index is out of range\r\n");
    feed.out(command("GET", "k")).in(blob("v")).out(command("RESET")).in("+RESET\r\n");
    feed.out(command("GET", "k")).in(blob("v"));
    assertThat(namespaces(feed)).containsExactly("0", "0", "7", "7", "7", "7", "0");
    assertThat(texts(feed).get(0)).isEqualTo("AUTH ? ?");
    feed = Feed.midway().out(command("GET", "k")).in(blob("v")).out(command("SELECT", "2")).in(OK);
    feed.out(command("GET", "k")).in(blob("v"));
    assertThat(namespaces(feed)).containsExactly(null, null, "2");
  }

  @Test
  void pushedInVersion3() {
    Feed feed = Feed.fresh().out(command("HELLO", "3")).in("%1\r\n+server\r\n+redis\r\n");
    feed.in(">2\r\n+invalidate\r\n*1\r\n+k\r\n");
    feed.out(join(command("SUBSCRIBE", "a", "b"), command("GET", "k")));
    feed.in(">3\r\n+subscribe\r\n+a\r\n:1\r\n>3\r\n+message\r\n+a\r\n+x\r\n");
    assertThat(feed.calls).hasSize(1);
    feed.in(">3\r\n+subscribe\r\n+b\r\n:2\r\n");
    assertThat(feed.calls).hasSize(2);
    assertThat(feed.calls.get(1).bytesIn()).isEqualTo(2 * 24);
    feed.in(">3\r\n+message\r\n+b\r\n+x\r\n*1\r\n+message\r\n");
    assertThat(texts(feed)).containsExactly("HELLO ?", "SUBSCRIBE ? ?", "GET ?");
    assertThat(feed.calls.get(2).bytesIn()).isEqualTo(14);
    feed.out(command("SUBSCRIBE", "c")).in("-NOPERM no\r\n");
    assertThat(feed.calls.get(3).errorType()).isEqualTo("NOPERM");
    assertClean(feed);
  }

  @Test
  void pushedInVersion2() {
    Feed feed = Feed.fresh().out(command("SUBSCRIBE", "a", "b"));
    String message = array(blob("message"), blob("a"), blob("hello"));
    feed.in(array(blob("subscribe"), blob("a"), ":1\r\n") + message);
    feed.in(array(blob("subscribe"), blob("b"), ":2\r\n"));
    assertThat(texts(feed)).containsExactly("SUBSCRIBE ? ?");
    feed.in(message).out(command("PING")).in(message + array(blob("pong"), blob("")));
    assertThat(texts(feed)).containsExactly("SUBSCRIBE ? ?", "PING");
    feed.out(command("UNSUBSCRIBE"));
    feed.in(array(blob("unsubscribe"), blob("a"), ":1\r\n") + message);
    feed.in(array(blob("unsubscribe"), blob("b"), ":0\r\n"));
    assertThat(feed.calls).hasSize(3);
    // An ordinary connection again, where such an array is an answer.
    feed.out(command("LRANGE", "l", "0", "1")).in(array(blob("message"), blob("x")));
    assertThat(texts(feed)).last().isEqualTo("LRANGE ? ? ?");
    assertThat(feed.calls).hasSize(4);
    assertClean(feed);
  }

  @Test
  void bigValuesOfWhichAPrefixWasCaptured() {
    Feed feed = Feed.fresh().capture(100, 16);
    String big = "x".repeat(5000);
    byte[] set = command("SET", "k", big);
    feed.out(join(set, command("GET", "k"))).in(OK);
    assertThat(feed.only().bytesOut()).isEqualTo(set.length);
    // The second command was not captured whole: only its end.
    assertThat(feed.counters.truncatedMessages.sum()).isEqualTo(1);
    feed.out(command("GET", "k")).in(blob(big));
    assertThat(texts(feed)).containsExactly("SET ? ?", "GET ?");
    assertThat(feed.calls.get(1).bytesIn()).isEqualTo(blob(big).length());
    feed.out(command("MGET", "k", "k"));
    String reply = array(blob(big), blob(big));
    feed.in(reply.substring(0, 3000)).in(reply.substring(3000, 5000)).in(reply.substring(5000));
    assertThat(texts(feed)).containsExactly("SET ? ?", "GET ?", "MGET ? ?");
  }

  @Test
  void arrayCutInUnseenBytesEndsByTheNextCommand() {
    Feed feed = Feed.fresh().capture(100, 16).out(command("KEYS", "*"));
    feed.in("*500\r\n" + "$4\r\nabcd\r\n".repeat(500));
    assertThat(feed.calls).isEmpty();
    feed.out(command("GET", "k")).in(blob("v"));
    assertThat(texts(feed)).containsExactly("KEYS ?", "GET ?");
    assertThat(feed.calls.get(0).endNs()).isEqualTo(1020);
    assertThat(feed.calls.get(0).complete()).isTrue();
    assertThat(feed.counters.resynchronised.sum()).isEqualTo(1);
    feed.out(command("KEYS", "*")).in("*500\r\n" + "$4\r\nabcd\r\n".repeat(500)).close();
    assertThat(feed.calls.get(2).complete()).isTrue();
  }

  @Test
  void commandsOfOthersAreNotTakenForTheEndOfALostReply() {
    Feed feed = Feed.fresh().capture(100, 16).out(command("KEYS", "*"));
    feed.in("*500\r\n" + "$4\r\nabcd\r\n".repeat(250));
    // Two threads send before anything more is received.
    feed.out(command("GET", "a")).out(command("GET", "b"));
    feed.in("$4\r\nabcd\r\n".repeat(250) + blob("1") + blob("2"));
    feed.out(command("INCR", "k")).in(":1\r\n");
    assertThat(texts(feed)).contains("KEYS ?", "INCR ?");
    assertThat(feed.calls.get(feed.calls.size() - 1).bytesIn()).isEqualTo(4);
  }

  @Test
  void lostEventsDoNotShiftReplies() {
    Feed feed = Feed.fresh().out(command("GET", "a"));
    feed.connection.onLoss();
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(1);
    feed.in(blob("late"));
    feed.out(command("INCR", "b")).in(":1\r\n").out(command("DEL", "c")).in(":1\r\n");
    assertThat(texts(feed)).containsExactly("INCR ?", "DEL ?");
    assertThat(feed.calls.get(1).endNs()).isEqualTo(feed.now);
    // The loss of a reply, noticed or not, is over at the next quiet moment.
    feed.out(command("GET", "a")).in("garbage").out(command("DEL", "c")).in(":1\r\n");
    assertThat(texts(feed)).last().isEqualTo("DEL ?");
    assertThat(feed.counters.parseErrors.sum()).isEqualTo(1);
  }

  @Test
  void surplusRepliesAreNobodys() {
    Feed feed = Feed.fresh().out(command("GET", "a")).in(blob("1") + blob("2") + blob("3"));
    feed.out(command("GET", "b")).in(blob("1"));
    assertThat(feed.calls).hasSize(2);
    assertThat(feed.calls.get(1).endNs()).isEqualTo(feed.now);
  }

  @Test
  void manyArgumentsAndCutNames() {
    String[] words = new String[101];
    Arrays.fill(words, "secret");
    words[0] = "mset";
    Feed feed = Feed.fresh().out(command(words)).in(OK);
    assertThat(texts(feed)).containsExactly("MSET" + " ?".repeat(32) + " ...");
    // "$6 UNLINK" of which UN was captured, in the second command of a pipeline.
    byte[] two = join(command("PING"), command("UNLINK", "k"));
    feed = Feed.fresh().capture(24, 0).out(command("PING")).in("+PONG\r\n").out(two);
    feed.in("+PONG\r\n:1\r\n");
    assertThat(details(feed.calls.get(1)).operation()).isEqualTo("PING");
    assertThat(feed.calls).hasSizeBetween(2, 3);
    assertThat(texts(feed)).doesNotContain("UN ?");
  }

  @Test
  void blockingCommandsWait() {
    Feed feed = Feed.fresh().out(command("BLPOP", "q", "5"));
    feed.now += 5_000_000_000L;
    feed.in("*-1\r\n");
    assertThat(feed.only().endNs() - feed.only().startNs()).isGreaterThan(5_000_000_000L);
    feed.out(command("BLPOP", "q", "0")).close();
    assertThat(feed.calls.get(1).errorType()).isEqualTo("connection_closed");
    assertThat(feed.calls.get(1).complete()).isFalse();
  }

  @Test
  void repliesSwitchedOff() {
    Feed feed = Feed.fresh().out(command("CLIENT", "REPLY", "OFF")).out(command("SET", "a", "1"));
    feed.out(command("CLIENT", "NO-EVICT", "on")).out(command("CLIENT", "reply", "on")).in(OK);
    assertThat(texts(feed)).containsExactly("CLIENT ? ?");
    feed.out(join(command("CLIENT", "REPLY", "SKIP"), command("SET", "a", "1")));
    feed.out(command("GET", "a")).in(blob("1"));
    assertThat(texts(feed)).containsExactly("CLIENT ? ?", "GET ?");
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(5);
  }

  @Test
  void monitoringAndReplicationStop() {
    Feed feed = Feed.fresh().out(command("MONITOR")).in(OK).in("+1339518083.107412 [0] \"x\"\r\n");
    assertThat(texts(feed)).containsExactly("MONITOR");
    assertThat(feed.connection.isDone()).isTrue();
    feed = Feed.fresh().out(command("PSYNC", "?", "-1")).in("+FULLRESYNC x 0\r\n");
    assertThat(feed.connection.isDone()).isTrue();
    assertThat(feed.counters.upgraded.sum()).isEqualTo(1);
  }

  @Test
  void recognisedHoweverItIsCut() {
    byte[] get = command("GET", "k");
    for (int at = 1; at < get.length; at++) {
      Feed feed = Feed.fresh().out(Arrays.copyOf(get, at));
      feed.out(Arrays.copyOfRange(get, at, get.length)).in(blob("v"));
      assertThat(texts(feed)).containsExactly("GET ?");
      assertThat(feed.only().startNs()).isEqualTo(1010);
      assertClean(feed);
    }
    for (String no :
        List.of("*x\r\n", "*0\r\n", "*1\r\n$0\r\n\r\n", "*1\r\n$4\r\n1234\r\n", "PING\r\n")) {
      Feed feed = Feed.fresh().out(no);
      assertThat(feed.counters.unknownProtocol.sum()).as(no).isEqualTo(1);
    }
  }

  @Test
  void keysAndValuesAreNowhere() {
    Feed feed = Feed.fresh();
    feed.out(command("HELLO", "3", "AUTH", "zq-user", "zq-word")).in("%1\r\n+zq\r\n+zq\r\n");
    feed.out(command("SET", "zq", "zq")).in(OK).out(command("SELECT", "zq")).in("-ERR zq\r\n");
    feed.out(command("CLIENT", "SETNAME", "zq")).in("-zq zq\r\n");
    feed.out(command("HGETALL", "zq")).in("%1\r\n$2\r\nzq\r\n$2\r\nzq\r\n");
    assertThat(feed.calls).hasSize(5);
    for (ClientCall call : feed.calls) {
      assertThat(call.details().toString()).doesNotContainIgnoringCase("zq");
      assertThat(String.valueOf(call.errorType())).doesNotContainIgnoringCase("zq");
    }
  }
}
