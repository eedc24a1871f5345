package dev.underspan.bridge.wire;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class HttpProtocolTest {
  private static final String GET = "GET /a?b=c HTTP/1.1\r\nHost: h:80\r\nUser-Agent: x\r\n\r\n";
  private static final String OK = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

  private static int status(ClientCall call) {
    return Feed.http(call).statusCode();
  }

  @Test
  void simpleGet() {
    Feed feed = Feed.fresh().out(GET).in(OK);
    ClientCall call = feed.only();
    assertThat(call.details())
        .isEqualTo(new ClientCall.Http("GET", "/a?b=c", false, "h:80", "1.1", 200, null));
    assertThat(call.startNs()).isEqualTo(1010);
    assertThat(call.requestEndNs()).isEqualTo(1010);
    assertThat(call.firstByteNs()).isEqualTo(1017);
    assertThat(call.endNs()).isEqualTo(1020);
    assertThat(call.parent()).isEqualTo(new TraceHead(1, 2, 1010, 1));
    assertThat(call.bytesOut()).isEqualTo(GET.length());
    assertThat(call.bytesIn()).isEqualTo(OK.length());
    assertThat(call.accountBegin()).isEqualTo(1010L);
    assertThat(call.accountEnd()).isEqualTo(1020L);
    assertThat(call.rttMicrosBegin()).isEqualTo(1010);
    assertThat(call.rttMicrosEnd()).isEqualTo(1020);
    assertThat(call.retransmitsBegin()).isEqualTo(101);
    assertThat(call.retransmitsEnd()).isEqualTo(102);
    assertThat(call.firstOnConnection()).isTrue();
    assertThat(call.complete()).isTrue();
    assertThat(call.errorType()).isNull();
    assertThat(call.connection().remotePort()).isEqualTo(80);
  }

  @Test
  void keepAlive() {
    Feed feed = Feed.fresh().out(GET).in(OK).out(GET).in(OK.replace("200 OK", "404 Not Found"));
    assertThat(feed.calls).hasSize(2);
    assertThat(feed.calls.get(1).firstOnConnection()).isFalse();
    assertThat(feed.calls.get(1).errorType()).isEqualTo("404");
  }

  @Test
  void pipelining() {
    String second = OK.replace("200 OK", "500 Oops");
    Feed feed = Feed.fresh().out(GET + GET).in(OK + second.substring(0, 20));
    assertThat(feed.calls).hasSize(1);
    feed.in(second.substring(20));
    assertThat(feed.calls).extracting(HttpProtocolTest::status).containsExactly(200, 500);
    assertThat(feed.calls.get(1).bytesIn()).isEqualTo(second.length());
  }

  @Test
  void headAndBodyInSeparateWrites() {
    Feed feed =
        Feed.fresh()
            .out("POST /p HTTP/1.1\r\nHost: h\r\nContent-Le")
            .out("ngth: 10\r\n\r\n")
            .out("01234")
            .out("56789")
            .in("HTTP/1.1 201 Created\r\n")
            .in("Content-Length: 0\r\n\r\n");
    ClientCall call = feed.only();
    assertThat(call.startNs()).isEqualTo(1010);
    assertThat(call.requestEndNs()).isEqualTo(1040);
    assertThat(call.firstByteNs()).isEqualTo(1047);
    assertThat(call.endNs()).isEqualTo(1060);
    assertThat(status(call)).isEqualTo(201);
  }

  @Test
  void bodiesLargerThanThePrefix() {
    String post = "POST /p HTTP/1.1\r\nContent-Length: 5000\r\n\r\n" + "GET / ".repeat(833) + "xx";
    String ok = "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n";
    Feed feed = Feed.fresh().capture(64, 16);
    for (int i = 0; i < 2; i++) {
      feed.out(post).in(ok + "y".repeat(30000)).in("y".repeat(40000));
    }
    assertThat(feed.calls).hasSize(2);
    assertThat(feed.calls.get(1).bytesIn()).isEqualTo(ok.length() + 70000);
    assertThat(feed.calls.get(1).bytesOut()).isEqualTo(post.length());
    assertThat(feed.counters.truncatedMessages.sum()).isZero();
  }

  @Test
  void traceparent() {
    String trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n";
    Feed feed = Feed.fresh().out(GET.replace("\r\n\r\n", "\r\n" + trace)).in(OK);
    assertThat(Feed.http(feed.only()).injected())
        .isEqualTo(new TraceHead(0x0af7651916cd43ddL, 0x8448eb211c80319cL, 0xb7ad6b7169203331L, 1));
    assertThat(HttpSyntax.traceparent("00-zz")).isNull();
    assertThat(HttpSyntax.traceparent("00-" + "0".repeat(32) + "-b7ad6b7169203331-01")).isNull();
  }

  @Test
  void withoutBody() {
    Feed feed =
        Feed.fresh()
            .out(GET.replace("GET", "HEAD"))
            .in("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
            .out(GET)
            .in("HTTP/1.1 204 No Content\r\n\r\n")
            .out(GET)
            .in("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n");
    assertThat(feed.calls).extracting(HttpProtocolTest::status).containsExactly(200, 204, 304);
  }

  @Test
  void interimResponses() {
    Feed feed =
        Feed.fresh()
            .out("PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            .in("HTTP/1.1 100 Continue\r\n\r\n")
            .out("abc")
            .in("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK);
    assertThat(status(feed.only())).isEqualTo(200);
    assertThat(feed.only().requestEndNs()).isEqualTo(1030);
  }

  @Test
  void chunkedBothWays() {
    String body = "5;x=y\r\nhello\r\n1A\r\n" + "z".repeat(26) + "\r\n0\r\nTrailer: t\r\n\r\n";
    String chunked = "Transfer-Encoding: chunked\r\n\r\n" + body;
    Feed feed =
        Feed.fresh()
            .out("POST / HTTP/1.1\r\n" + chunked)
            .in("HTTP/1.1 200 OK\r\n" + chunked)
            .out(GET)
            .in(OK);
    assertThat(feed.calls).hasSize(2);
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }

  @Test
  void chunkedEndFoundInTail() {
    String head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    String body = "64\r\n" + "z".repeat(100) + "\r\n64\r\n" + "y".repeat(100) + "\r\n0\r\n\r\n";
    Feed feed = Feed.fresh().capture(70, 16).out(GET).in(head + body);
    assertThat(feed.only().endNs()).isEqualTo(1020);
    assertThat(feed.counters.truncatedMessages.sum()).isEqualTo(1);
    assertThat(feed.counters.resynchronised.sum()).isEqualTo(1);
    feed.out(GET).in(OK);
    assertThat(feed.calls).hasSize(2);
  }

  @Test
  void chunkedEndNotSeenIsEndedByTheNextRequest() {
    String head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    Feed feed =
        Feed.fresh()
            .capture(70, 0)
            .out(GET)
            .in(head + "64\r\n" + "z".repeat(100) + "\r\n64\r\n" + "y".repeat(100) + "\r\n")
            .in("0\r\n" + "Trailer: t\r\n".repeat(9) + "\r\n");
    assertThat(feed.calls).isEmpty();
    feed.out(GET);
    assertThat(feed.only().endNs()).isEqualTo(1030);
    assertThat(feed.only().complete()).isTrue();
    feed.in(OK);
    assertThat(feed.calls).hasSize(2);
    assertThat(feed.counters.resynchronised.sum()).isEqualTo(1);
  }

  @Test
  void headsLargerThanThePrefix() {
    String cookie = "Cookie: " + "c".repeat(300) + "\r\n\r\n";
    String get = "GET /a HTTP/1.1\r\nHost: h\r\n" + cookie;
    Feed feed = Feed.fresh().capture(100, 16);
    for (int i = 0; i < 3; i++) {
      feed.out(get).in(OK);
    }
    assertThat(feed.calls).hasSize(3);
    assertThat(feed.calls.get(2).bytesOut()).isEqualTo(get.length());
    feed.out(get).in("HTTP/1.1 200 OK\r\nSet-" + cookie + "body");
    assertThat(feed.calls).hasSize(3);
    feed.out(get).in(OK);
    assertThat(feed.calls).hasSize(5);
    feed.out("GET /" + "t".repeat(200) + " HTTP/1.1\r\n\r\n").in(OK);
    assertThat(Feed.http(feed.calls.get(5)).targetTruncated()).isTrue();
    assertThat(Feed.http(feed.calls.get(5)).target()).startsWith("/ttt");
  }

  @Test
  void closeDelimited() {
    Feed feed =
        Feed.fresh().out(GET).in("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nab").in("cd").close();
    assertThat(feed.only().complete()).isTrue();
    assertThat(feed.only().endNs()).isEqualTo(1030);
    assertThat(feed.only().bytesIn()).isEqualTo(42);
  }

  @Test
  void closedBeforeTheResponse() {
    Feed feed = Feed.fresh().out(GET).close();
    assertThat(feed.only().complete()).isFalse();
    assertThat(feed.only().errorType()).isEqualTo("connection_closed");
    assertThat(feed.only().endNs()).isEqualTo(1020);
    assertThat(feed.only().firstByteNs()).isZero();
    assertThat(Feed.fresh().out(GET).in(OK.substring(0, 42)).close().only().complete()).isFalse();
    assertThat(Feed.fresh().out(GET).in(OK).close().only().complete()).isTrue();
  }

  @Test
  void upgradeAndConnectStop() {
    Feed feed =
        Feed.fresh()
            .out(GET.replace("Host", "Connection: Upgrade\r\nHost"))
            .in("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\u0081\5hello")
            .out(GET);
    assertThat(status(feed.only())).isEqualTo(101);
    assertThat(feed.connection.isDone()).isTrue();
    feed =
        Feed.fresh().out("CONNECT h:443 HTTP/1.1\r\n\r\n").in("HTTP/1.1 200 OK\r\n\r\n").out(GET);
    assertThat(Feed.http(feed.only()).target()).isEqualTo("h:443");
    assertThat(feed.counters.upgraded.sum()).isEqualTo(1);
  }

  @Test
  void upgradeToHttp2IsReadOn() {
    Feed feed =
        Feed.fresh()
            .out(GET.replace("Host", "Upgrade: h2c\r\nHTTP2-Settings: AA\r\nHost"))
            .in(
                Feed.join(
                    Feed.bytes("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
                    Feed.hex("000000040000000000"),
                    Feed.hex("0000010104 00000001 88"),
                    Feed.hex("00000300010000000161")))
            .out("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assertThat(feed.calls).isEmpty();
    feed.in("bc");
    assertThat(feed.only().details())
        .isEqualTo(new ClientCall.Http("GET", "/a?b=c", false, "h:80", "2", 200, null, "http"));
    assertThat(feed.only().startNs()).isEqualTo(1010);
    assertThat(feed.only().endNs()).isEqualTo(1040);
    assertThat(feed.counters.upgraded.sum()).isZero();
    feed.out(Feed.hex("000003 01 05 00000003 828684"));
    feed.in(Feed.hex("000001 01 05 00000003 8d"));
    assertThat(feed.calls).hasSize(2);
    assertThat(status(feed.calls.get(1))).isEqualTo(404);
  }

  @Test
  void manyInFlightAreBounded() {
    Feed feed = Feed.fresh().out(GET.repeat(100)).in(OK.repeat(100)).out(GET).in(OK);
    assertThat(feed.calls).hasSize(65);
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(36);
  }

  @Test
  void midwayStartsAtTheNextRequest() {
    Feed feed = Feed.midway().in("tail of a body").out("more body").in("x").out(GET).in(OK);
    assertThat(feed.only().firstOnConnection()).isFalse();
    assertThat(feed.counters.midwayJoined.sum()).isEqualTo(1);
    assertThat(feed.counters.unknownProtocol.sum()).isEqualTo(1);
    assertThat(feed.counters.resynchronised.sum()).isEqualTo(1);
  }

  @Test
  void lostEventsDoNotShiftResponses() {
    Feed feed = Feed.fresh().out(GET);
    feed.connection.onLoss();
    feed.in("rest of something").out(GET).in(OK).out(GET).in(OK);
    assertThat(feed.calls).extracting(HttpProtocolTest::status).containsExactly(200, 200);
    assertThat(feed.calls.get(0).startNs()).isEqualTo(1030);
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(1);
  }

  @Test
  void othersAreLeftAlone() {
    Feed tls = Feed.fresh().out("\u0016\3\1\2\0\1\0\1\374\3\3");
    assertThat(tls.counters.tlsConnections.sum()).isEqualTo(1);
    assertThat(tls.connection.isDone()).isTrue();
    Feed memcached = Feed.fresh();
    for (int i = 0; i < 20; i++) {
      memcached.out("get key\r\n").in("END\r\n");
    }
    assertThat(memcached.connection.isDone()).isTrue();
    assertThat(memcached.counters.unknownProtocol.sum()).isEqualTo(1);
    assertThat(memcached.counters.abandoned.sum()).isEqualTo(1);
    WireCounters counters = new WireCounters();
    ConnectionInfo accepted = new ConnectionInfo("a", 1, "b", 2, false, false, 0, 0);
    assertThat(new WireConnection(accepted, c -> {}, counters).isDone()).isTrue();
    assertThat(counters.serverSide.sum()).isEqualTo(1);
  }

  @Test
  void garbledResponseIsCountedAndTheNextCallIsFine() {
    Feed feed = Feed.fresh().out(GET).in("nonsense").out(GET).in(OK);
    assertThat(feed.calls).extracting(HttpProtocolTest::status).containsExactly(0, 200);
    assertThat(feed.counters.parseErrors.sum()).isEqualTo(1);
    assertThat(feed.counters.resynchronised.sum()).isEqualTo(1);
  }
}
