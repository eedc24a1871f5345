package dev.underspan.bridge.wire;

import static dev.underspan.bridge.wire.Feed.bytes;
import static dev.underspan.bridge.wire.Feed.join;
import static dev.underspan.bridge.wire.Http2Bytes.PREFACE;
import static dev.underspan.bridge.wire.Http2Bytes.SETTINGS;
import static dev.underspan.bridge.wire.Http2Bytes.add;
import static dev.underspan.bridge.wire.Http2Bytes.data;
import static dev.underspan.bridge.wire.Http2Bytes.frame;
import static dev.underspan.bridge.wire.Http2Bytes.get;
import static dev.underspan.bridge.wire.Http2Bytes.grpc;
import static dev.underspan.bridge.wire.Http2Bytes.grpcAnswer;
import static dev.underspan.bridge.wire.Http2Bytes.headers;
import static dev.underspan.bridge.wire.Http2Bytes.hex;
import static dev.underspan.bridge.wire.Http2Bytes.message;
import static dev.underspan.bridge.wire.Http2Bytes.ok;
import static dev.underspan.bridge.wire.Http2Bytes.plain;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class Http2ProtocolTest {
  private static Feed begun() {
    return Feed.fresh().out(PREFACE).out(SETTINGS).in(SETTINGS).in(frame(4, 1, 0));
  }

  private static ClientCall.Rpc rpc(ClientCall call) {
    return (ClientCall.Rpc) call.details();
  }

  private static String target(ClientCall call) {
    return Feed.http(call).target();
  }

  private static int status(ClientCall call) {
    return Feed.http(call).statusCode();
  }

  @Test
  void simpleGet() {
    Feed feed = begun().out(get(1, "/a?b=c")).in(headers(1, false, hex("88")));
    assertThat(feed.calls).isEmpty();
    feed.in(data(1, true, bytes("hello")));
    ClientCall call = feed.only();
    assertThat(call.details())
        .isEqualTo(new ClientCall.Http("GET", "/a?b=c", false, "h:80", "2", 200, null, "http"));
    assertThat(call.startNs()).isEqualTo(1050);
    assertThat(call.requestEndNs()).isEqualTo(1050);
    assertThat(call.firstByteNs()).isEqualTo(1057);
    assertThat(call.endNs()).isEqualTo(1070);
    assertThat(call.parent()).isEqualTo(new TraceHead(1, 2, 1050, 1));
    assertThat(call.bytesOut()).isEqualTo(get(1, "/a?b=c").length);
    assertThat(call.bytesIn()).isEqualTo(9 + 1 + 9 + 5);
    assertThat(call.accountBegin()).isEqualTo(1050L);
    assertThat(call.accountEnd()).isEqualTo(1070L);
    assertThat(call.firstOnConnection()).isTrue();
    assertThat(call.complete()).isTrue();
    assertThat(call.errorType()).isNull();
  }

  @Test
  void requestsOfRfc7541() {
    String[][] series = {
      {
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565"
      },
      {
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"
      }
    };
    for (String[] blocks : series) {
      Feed feed = begun();
      for (int i = 0; i < 3; i++) {
        feed.out(headers(2 * i + 1, true, hex(blocks[i]))).in(ok(2 * i + 1, ""));
      }
      assertThat(feed.calls)
          .extracting(ClientCall::details)
          .containsExactly(
              new ClientCall.Http("GET", "/", false, "www.example.com", "2", 200, null, "http"),
              new ClientCall.Http("GET", "/", false, "www.example.com", "2", 200, null, "http"),
              new ClientCall.Http(
                  "GET", "/index.html", false, "www.example.com", "2", 200, null, "https"));
    }
  }

  @Test
  void responsesOfRfc7541() {
    Feed feed = begun();
    String[] blocks = {
      // The first sets the table's size to 256, as the examples have it.
      "3fe101"
          + "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e"
          + "919d29ad171863c78f0b97c8e9ae82ae43d3",
      "4883640effc1c0bf",
      "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdf"
          + "cd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"
    };
    for (int i = 0; i < 3; i++) {
      feed.out(get(2 * i + 1, "/")).in(headers(2 * i + 1, true, hex(blocks[i])));
    }
    assertThat(feed.calls).extracting(Http2ProtocolTest::status).containsExactly(302, 307, 200);
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }

  @Test
  void interleavedStreams() {
    Feed feed =
        begun()
            .out(join(get(1, "/1"), headers(3, false, hex("8386"), plain(":path", "/3"))))
            .out(join(get(5, "/5"), data(3, false, bytes("ab"))))
            .in(join(headers(5, false, hex("88")), headers(1, false, hex("8d"))))
            .in(
                join(
                    data(1, false, bytes("x")), data(5, true, bytes("yy")), data(1, true, hex(""))))
            .out(data(3, true, bytes("cd")))
            .in(headers(3, true, hex("8e")));
    assertThat(feed.calls).extracting(Http2ProtocolTest::target).containsExactly("/5", "/1", "/3");
    assertThat(feed.calls).extracting(Http2ProtocolTest::status).containsExactly(200, 404, 500);
    assertThat(feed.calls).extracting(ClientCall::errorType).containsExactly(null, "404", "500");
    ClientCall post = feed.calls.get(2);
    assertThat(post.startNs()).isEqualTo(1050);
    assertThat(post.requestEndNs()).isEqualTo(1090);
    assertThat(post.bytesOut()).isEqualTo(9 + 2 + 10 + 11 + 11);
    assertThat(feed.calls.get(0).startNs()).isEqualTo(1060);
  }

  @Test
  void paddingPriorityAndContinuation() {
    byte[] block = join(hex("8286"), add(":path", "/padded"), add(":authority", "h"));
    byte[] first = Arrays.copyOf(block, 7);
    byte[] rest = Arrays.copyOfRange(block, 7, block.length);
    Feed feed =
        begun()
            .out(
                join(
                    frame(1, 1 | 8 | 0x20, 1, hex("03 80000000 10"), first, hex("000000")),
                    frame(9, 0, 1, Arrays.copyOf(rest, 3)),
                    frame(9, 4, 1, Arrays.copyOfRange(rest, 3, rest.length))))
            .in(frame(1, 4 | 8, 1, hex("02 88 0000")))
            .in(frame(0, 1 | 8, 1, hex("01"), bytes("hello"), hex("00")))
            .out(headers(3, true, hex("8286bfbe")))
            .in(ok(3, "x"));
    assertThat(feed.calls)
        .extracting(Http2ProtocolTest::target)
        .containsExactly("/padded", "/padded");
    assertThat(feed.calls).extracting(Http2ProtocolTest::status).containsExactly(200, 200);
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }

  @Test
  void otherFramesAreSteppedOver() {
    Feed feed =
        begun()
            .out(join(frame(4, 0, 0, hex("000100001000")), frame(8, 0, 0, hex("00010000"))))
            .in(join(frame(6, 0, 0, new byte[8]), frame(0xc, 0, 0, bytes("origin"))))
            .out(join(frame(6, 1, 0, new byte[8]), get(1, "/"), frame(8, 0, 1, hex("00001000"))))
            .in(frame(2, 0, 1, new byte[5]))
            .in(join(frame(5, 4, 1, hex("00000002"), hex("828684"), add("x", "y")), ok(1, "")))
            .in(ok(2, "pushed"));
    assertThat(feed.only().firstByteNs()).isEqualTo(1087);
    assertThat(feed.only().endNs()).isEqualTo(1090);
    assertThat(feed.counters.parseErrors.sum()).isZero();
    // What a promise added is in the table.
    feed.out(get(3, "/")).in(headers(3, true, hex("88be")));
    assertThat(feed.counters.headersUnknown.sum()).isZero();
    assertThat(feed.calls).hasSize(2);
  }

  @Test
  void interimResponses() {
    Feed feed =
        begun()
            .out(headers(1, false, hex("8386"), plain(":path", "/")))
            .in(headers(1, false, plain(":status", "100")))
            .out(data(1, true, bytes("abc")))
            .in(join(headers(1, false, plain(":status", "103")), ok(1, "x")));
    assertThat(status(feed.only())).isEqualTo(200);
  }

  @Test
  void traceparent() {
    String value = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    Feed feed =
        begun().out(headers(1, true, hex("828684"), add("traceparent", value))).in(ok(1, "x"));
    assertThat(feed.only().details().injected())
        .isEqualTo(new TraceHead(0x0af7651916cd43ddL, 0x8448eb211c80319cL, 0xb7ad6b7169203331L, 1));
  }

  @Test
  void unaryGrpc() {
    Feed feed = begun().out(grpc(1, "/a.b.Shop/Buy", "hi")).in(grpcAnswer(1, "there", 0));
    assertThat(feed.only().details())
        .isEqualTo(new ClientCall.Rpc("grpc", "a.b.Shop", "Buy", "h:80", "OK", null));
    assertThat(feed.only().errorType()).isNull();
  }

  @Test
  void grpcErrors() {
    byte[] trailersOnly =
        headers(
            3,
            true,
            hex("88"),
            plain("content-type", "application/grpc"),
            plain("grpc-status", "12"));
    Feed feed =
        begun()
            .out(grpc(1, "/S/M", "hi"))
            .in(grpcAnswer(1, "", 5))
            .out(grpc(3, "/S/M", "hi"))
            .in(trailersOnly)
            .out(grpc(5, "/S/M", "hi"))
            .in(headers(5, true, plain(":status", "503"), plain("content-type", "text/html")))
            .out(grpc(7, "/S/M", "hi"))
            .in(grpcAnswer(7, "", 77));
    assertThat(feed.calls)
        .extracting(c -> rpc(c).status())
        .containsExactly("NOT_FOUND", "UNIMPLEMENTED", null, "77");
    assertThat(feed.calls)
        .extracting(ClientCall::errorType)
        .containsExactly("NOT_FOUND", "UNIMPLEMENTED", "503", "77");
  }

  @Test
  void resetByEitherSide() {
    Feed feed =
        begun()
            .out(grpc(1, "/S/M", "hi"))
            .out(frame(3, 0, 1, hex("00000008")))
            .out(get(3, "/"))
            .in(join(frame(3, 0, 3, hex("00000007")), ok(3, "too late")));
    assertThat(feed.calls)
        .extracting(ClientCall::errorType)
        .containsExactly("CANCEL", "REFUSED_STREAM");
    assertThat(feed.calls).extracting(ClientCall::complete).containsExactly(false, false);
    assertThat(feed.calls.get(0).endNs()).isEqualTo(1060);
  }

  @Test
  void goAwayEndsWhatTheServerDidNotTake() {
    Feed feed =
        begun()
            .out(join(get(1, "/1"), get(3, "/3")))
            .in(frame(7, 0, 0, hex("7fffffff 00000000")))
            .in(frame(7, 0, 0, hex("00000001 00000000"), bytes("shutting down")));
    assertThat(feed.only().errorType()).isEqualTo("REFUSED_STREAM");
    assertThat(target(feed.only())).isEqualTo("/3");
    feed.in(ok(1, "x"));
    assertThat(status(feed.calls.get(1))).isEqualTo(200);
  }

  @Test
  void closedBeforeTheResponse() {
    Feed feed = begun().out(get(1, "/")).close();
    assertThat(feed.only().errorType()).isEqualTo("connection_closed");
    assertThat(feed.only().complete()).isFalse();
  }

  @Test
  void manyInFlightAreBounded() {
    Feed feed = begun();
    for (int i = 0; i < 1100; i++) {
      feed.out(get(2 * i + 1, "/" + i));
    }
    for (int i = 0; i < 1100; i++) {
      feed.in(ok(2 * i + 1, "x"));
    }
    assertThat(feed.calls).hasSize(1024);
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(76);
  }

  @Test
  void bodiesLargerThanThePrefix() {
    Feed feed = begun().capture(300, 16);
    byte[] full = new byte[4000];
    for (int i = 0; i < 3; i++) {
      int id = 2 * i + 1;
      byte[] request =
          join(
              headers(
                  id,
                  false,
                  hex("8386"),
                  i == 0 ? add(":path", "/p") : hex("be"),
                  plain("content-length", "10000")),
              data(id, false, full),
              data(id, false, full),
              data(id, true, new byte[2000]));
      byte[] answer =
          join(
              headers(id, false, hex("88"), plain("content-length", "12000")),
              data(id, false, full),
              data(id, false, full));
      feed.out(request).in(answer).in(data(id, true, full));
      assertThat(feed.calls.get(i).bytesOut()).isEqualTo(request.length);
      assertThat(feed.calls.get(i).bytesIn()).isEqualTo(answer.length + 4009);
    }
    assertThat(feed.calls).extracting(Http2ProtocolTest::target).containsExactly("/p", "/p", "/p");
    assertThat(feed.counters.truncatedMessages.sum()).isZero();
    assertThat(feed.counters.headerTablesLost.sum()).isZero();
  }

  private static byte[] upload(int stream, int size, byte[]... path) {
    return join(
        headers(stream, false, hex("8386"), join(path), plain("content-type", "application/grpc")),
        data(stream, false, Arrays.copyOf(message("m".repeat(size)), 4000)));
  }

  private static byte[] part(int stream, boolean end, int size) {
    return data(stream, end, new byte[size]);
  }

  @Test
  void tableOutlivesHolesThatCanOnlyBeData() {
    Feed feed = begun().capture(300, 16);
    feed.out(grpc(1, "/S/M", "hi")).in(grpcAnswer(1, "", 0));
    // A message of 20000 bytes and its prefix, as clients write it: ends of sends are ends of
    // frames.
    feed.out(join(upload(3, 20000, add(":path", "/S/Put")), part(3, false, 4000)))
        .out(join(part(3, false, 4000), part(3, false, 2000)));
    // A call meanwhile is known as soon as the message has come out even.
    feed.out(headers(5, true, hex("8386be")));
    feed.out(join(part(3, false, 4000), part(3, true, 2005)));
    assertThat(feed.counters.headersUnknown.sum()).isEqualTo(1);
    feed.in(grpcAnswer(3, "", 0)).in(grpcAnswer(5, "", 0));
    feed.out(headers(7, true, hex("8386be"))).in(grpcAnswer(7, "", 0));
    assertThat(feed.calls)
        .extracting(c -> rpc(c).method())
        .containsExactly("M", "Put", "Put", "Put");
    assertThat(feed.counters.headerTablesLost.sum()).isZero();
    assertThat(feed.counters.truncatedMessages.sum()).isZero();
  }

  @Test
  void tableIsUnknownAfterHolesThatWereMoreThanData() {
    for (int more = 0; more < 50; more++) {
      Feed feed = begun().capture(300, 16);
      byte[] hidden = headers(5, true, hex("8386"), add(":path", "/S/Hidden" + "x".repeat(more)));
      feed.out(join(upload(3, 20000, add(":path", "/S/Put")), hidden, part(3, false, 3000)))
          .out(headers(7, true, hex("8386be")))
          .out(join(part(3, false, 4000), part(3, false, 4000), part(3, false, 4000)))
          .out(part(3, true, 1005))
          .in(grpcAnswer(7, "", 0))
          .in(grpcAnswer(3, "", 0))
          .out(headers(9, true, hex("8386be")))
          .in(grpcAnswer(9, "", 0));
      assertThat(feed.calls).extracting(c -> rpc(c).method()).containsExactly(null, "Put", null);
      assertThat(feed.counters.headersUnknown.sum()).isEqualTo(2);
    }
  }

  @Test
  void endOfAnAnswerInTheHole() {
    Feed feed = begun().capture(300, 16);
    byte[] body = new byte[4000];
    byte[] head = headers(1, false, hex("88"), plain("content-length", "9000"));
    feed.out(get(1, "/"))
        .in(join(head, data(1, false, body), data(1, false, body), data(1, true, new byte[1000])));
    assertThat(feed.only().complete()).isTrue();
    feed.out(get(3, "/")).in(ok(3, "x"));
    assertThat(feed.calls).hasSize(2);
    assertThat(feed.counters.truncatedMessages.sum()).isZero();
  }

  @Test
  void endOfAnAnswerInTheTail() {
    Feed feed = begun().capture(300, 16);
    byte[] answer =
        join(
            headers(1, false, hex("88"), add("content-type", "application/grpc")),
            data(1, false, message("x".repeat(400))),
            data(1, false, message("y".repeat(300))));
    feed.out(grpc(1, "/S/M", "hi")).in(join(answer, headers(1, true, hex("88"))));
    assertThat(rpc(feed.only()).method()).isEqualTo("M");
    assertThat(rpc(feed.only()).status()).isNull();
    assertThat(feed.only().errorType()).isNull();
    assertThat(feed.counters.truncatedMessages.sum()).isEqualTo(1);
    assertThat(feed.counters.resynchronised.sum()).isEqualTo(1);
  }

  @Test
  void endsUnseenAreFoundByQuiet() {
    Feed feed = begun().capture(100, 0);
    feed.out(get(1, "/1")).out(get(3, "/3"));
    feed.in(headers(1, false, hex("88")));
    feed.in(join(data(1, false, new byte[500]), data(1, true, new byte[40])));
    long lost = feed.now;
    feed.in(frame(6, 0, 0, new byte[8]));
    assertThat(feed.calls).isEmpty();
    feed.out(headers(7, false, hex("8386"), plain(":path", "/7")));
    feed.now += 20_000_000_000L;
    feed.in(headers(3, false, hex("88")));
    feed.now += 11_000_000_000L;
    feed.out(get(9, "/9"));
    assertThat(feed.only().complete()).isTrue();
    assertThat(feed.only().endNs()).isEqualTo(lost + 10);
    assertThat(target(feed.only())).isEqualTo("/1");
    feed.in(join(ok(9, "x"), data(3, true, bytes("x"))));
    assertThat(feed.calls).extracting(Http2ProtocolTest::target).containsExactly("/1", "/9", "/3");
  }

  @Test
  void truncatedBlockLeavesTheTableUnknown() {
    Feed feed = begun().capture(120, 16);
    byte[] big =
        headers(
            1,
            true,
            hex("8286"),
            add(":path", "/big"),
            add("a", "1"),
            plain("cookie", "c".repeat(300)),
            add("b", "2"));
    feed.out(big).in(ok(1, "x"));
    assertThat(target(feed.only())).isEqualTo("/big");
    assertThat(feed.counters.headerTablesLost.sum()).isEqualTo(1);
    // /big is at 64 in truth, and must not be mistaken for anything.
    for (int i = 1; i <= 3; i++) {
      feed.out(headers(2 * i + 1, true, hex("8286"), hex("c0"))).in(ok(2 * i + 1, "x"));
      assertThat(Feed.http(feed.calls.get(i)))
          .isEqualTo(new ClientCall.Http("GET", "", true, null, "2", 200, null, "http"));
    }
    assertThat(feed.counters.headersUnknown.sum()).isEqualTo(4);
    // What comes later is known at once, and stays so.
    feed.out(headers(9, true, hex("8286"), add(":path", "/new"), hex("c0"))).in(ok(9, "x"));
    feed.out(headers(11, true, hex("8286"), add(":authority", "h"), hex("bf"))).in(ok(11, "x"));
    feed.out(headers(13, true, hex("8286"), hex("bebf"))).in(ok(13, "x"));
    assertThat(target(feed.calls.get(4))).isEqualTo("/new");
    assertThat(target(feed.calls.get(5))).isEqualTo("/new");
    assertThat(target(feed.calls.get(6))).isEqualTo("/new");
    assertThat(Feed.http(feed.calls.get(6)).host()).isEqualTo("h");
    assertThat(feed.counters.headersUnknown.sum()).isEqualTo(5);
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }

  /** Where requests name their spans, one whose name was not seen may be anybody's. */
  @Test
  void parentsWhereHeadersAreNotKnown() {
    String named = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    byte[] cut =
        headers(5, true, hex("8286"), plain("cookie", "c".repeat(300)), add("traceparent", named));
    Feed feed = begun().capture(120, 16).out(get(1, "/1")).in(ok(1, "x"));
    feed.out(cut).in(ok(5, "x"));
    assertThat(feed.calls.get(1).parent()).as("nobody names any here").isNotNull();

    feed = begun().capture(150, 16);
    feed.out(headers(3, true, hex("8286"), plain(":path", "/3"), add("traceparent", named)));
    feed.in(ok(3, "x")).out(cut).in(ok(5, "x"));
    assertThat(feed.calls.get(0).parent()).isNotNull();
    assertThat(feed.calls.get(0).details().injected()).isNotNull();
    assertThat(feed.calls.get(1).details().injected()).isNull();
    assertThat(feed.calls.get(1).parent()).isNull();
  }

  @Test
  void joinedMidway() {
    Feed feed =
        Feed.midway()
            .in(ok(7, "before us"))
            .out(join(headers(9, false, hex("8386c0c1c2")), data(9, true, message("hi"))))
            .in(join(headers(9, false, hex("88be")), data(9, false, message("x"))))
            .in(headers(9, true, hex("bf")))
            .out(grpc(11, "/S/M", "hi"))
            .in(grpcAnswer(11, "x", 0));
    assertThat(feed.calls).hasSize(2);
    // By the length before its message.
    assertThat(rpc(feed.calls.get(0)))
        .isEqualTo(new ClientCall.Rpc("grpc", null, null, null, null, null));
    assertThat(feed.calls.get(0).firstOnConnection()).isFalse();
    assertThat(rpc(feed.calls.get(1)).status()).isEqualTo("OK");
    assertThat(feed.counters.headersUnknown.sum()).isEqualTo(3);
  }

  @Test
  void postOfWhichLittleIsKnownIsNotTakenForGrpc() {
    for (String body : new String[] {"{}", "{\"a\":1}", "\0\0\0\0\3ab", "\2\0\0\0\2ab", "\0"}) {
      Feed feed = Feed.midway();
      feed.out(join(headers(9, false, hex("8386c0c1")), data(9, true, bytes(body)))).in(ok(9, "x"));
      assertThat(Feed.http(feed.only()))
          .isEqualTo(new ClientCall.Http("POST", "", true, null, "2", 200, null, "http"));
    }
  }

  @Test
  void othersAreNotMistakenMidway() {
    for (String hex :
        new String[] {
          "0000000012000300010000000000", // Kafka, ApiVersions
          "000001060001000c00000003", // Kafka, the first bytes of something larger
          "01000100000005000a000b00ce", // AMQP
          "000000000000000000",
          "00000000000000000000000000"
        }) {
      Feed feed = Feed.midway().out(hex(hex)).in(bytes("answer"));
      assertThat(feed.counters.unknownProtocol.sum()).as(hex).isEqualTo(1);
    }
  }

  @Test
  void lostEvents() {
    Feed feed = begun().out(headers(1, true, hex("828684"), add("x", "y")));
    feed.connection.onLoss();
    feed.in(bytes("rest of something"))
        .in(ok(1, "x"))
        .out(bytes("rest of something"))
        .out(get(5, "/5"))
        .in(ok(5, "x"))
        .out(headers(7, true, hex("8286be")))
        .in(ok(7, "x"));
    assertThat(feed.calls).extracting(Http2ProtocolTest::target).containsExactly("/5", "");
    assertThat(feed.calls.get(0).startNs()).isEqualTo(1090);
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(1);
  }

  @Test
  void requestsInAHoleAreCounted() {
    Feed feed = begun().capture(60, 16).out(get(1, "/1"));
    feed.out(join(get(3, "/3"), get(5, "/5"), get(7, "/7"), get(9, "/9")));
    feed.out(get(11, "/11")).in(join(ok(1, ""), ok(3, ""))).in(ok(11, ""));
    assertThat(feed.calls).extracting(Http2ProtocolTest::target).containsExactly("/1", "/3", "/11");
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(2);
  }

  @Test
  void garbageIsCountedAndTheNextCallIsFine() {
    Feed feed =
        begun()
            .out(get(1, "/1"))
            .in(bytes("nonsense that is no frame"))
            .in(ok(1, "x"))
            .out(hex("000001090400000003ff"))
            .out(get(5, "/5"))
            .in(ok(5, "x"))
            .out(headers(7, true, hex("ffffffffff7f")))
            .in(ok(7, "x"))
            .out(headers(9, true, hex("828684")))
            .in(headers(9, true, hex("8d")));
    assertThat(feed.calls)
        .extracting(Http2ProtocolTest::status)
        .containsExactly(200, 200, 200, 404);
    assertThat(feed.counters.parseErrors.sum()).isEqualTo(2);
    assertThat(feed.counters.resynchronised.sum()).isEqualTo(2);
  }

  @Test
  void tableSizeIsCapped() {
    Feed feed =
        begun()
            .out(headers(1, true, hex("3fe1ffff0f"), hex("828684"))) // asks for 32 MiB
            .in(ok(1, "x"))
            .out(headers(3, true, hex("828684")))
            .in(ok(3, "x"));
    assertThat(feed.calls).extracting(Http2ProtocolTest::target).containsExactly("", "/");
  }

  @Test
  void startIsWhereTheFrameBegan() {
    byte[] request = get(1, "/");
    Feed feed = begun();
    feed.out(Arrays.copyOf(request, 4));
    feed.out(Arrays.copyOfRange(request, 4, request.length)).in(ok(1, "x"));
    assertThat(feed.only().startNs()).isEqualTo(1050);
    assertThat(feed.only().parent()).isEqualTo(new TraceHead(1, 2, 1050, 1));
    assertThat(feed.only().requestEndNs()).isEqualTo(1060);
    assertThat(feed.only().bytesOut()).isEqualTo(request.length);
  }

  @Test
  void prefaceInPieces() {
    Feed feed = Feed.fresh();
    feed.out(bytes("PRI ")).out(bytes("* HTTP/2.0\r\n\r\nS")).out(bytes("M\r\n\r\n"));
    feed.out(join(SETTINGS, get(1, "/"))).in(join(SETTINGS, ok(1, "x")));
    assertThat(feed.only().bytesOut()).isEqualTo(get(1, "/").length);
  }
}
