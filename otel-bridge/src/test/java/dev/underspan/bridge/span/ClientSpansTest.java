package dev.underspan.bridge.span;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import dev.underspan.bridge.clock.EpochClock;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.ConnectionInfo;
import dev.underspan.bridge.wire.TraceHead;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanId;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class ClientSpansTest {
  private static final TraceHead PARENT =
      new TraceHead(0x4bf92f3577b34da6L, 0xa3ce929d0e0e4736L, 0x00f067aa0ba902b7L, 1);
  private static final ClientCall.Http GET =
      new ClientCall.Http("GET", "/a?b=c", false, "shop:8080", "1.1", 200, null);
  private static final ClientCall.Sql SELECT =
      new ClientCall.Sql(
          "postgresql",
          "select * from item where id=7",
          false,
          "select * from item where id=?",
          "SELECT",
          "item",
          "shop",
          "joe",
          null);

  private final Sdk sdk = new Sdk();
  private final InjectedSpans injected = new InjectedSpans();
  private final EpochClock clock = new EpochClock();
  private final AnnouncedCalls announced = new AnnouncedCalls();
  private final ClientSpans spans =
      new ClientSpans(sdk.tracer, sdk.ids, injected, announced, clock, "kernel");
  private final long base = System.nanoTime();

  /** A call with all that can be varied here. */
  private final class Call {
    ClientCall.Details details = GET;
    @Nullable TraceHead parent = PARENT;
    long firstByte = base + 7_000;
    long end = base + 10_000;
    @Nullable Object accountBegin;
    @Nullable Object accountEnd;
    @Nullable String error;
    boolean first = true;
    int number = -1;
    ConnectionInfo connection =
        new ConnectionInfo(
            "10.0.0.1", 40000, "10.0.0.2", 8080, true, false, base - 900, base - 300);

    Call(ClientCall.Details details) {
      this.details = details;
    }

    SpanData send() {
      spans.accept(
          new ClientCall(
              connection,
              first,
              base,
              base + 1_000,
              firstByte,
              end,
              parent,
              120,
              3_000,
              accountBegin,
              accountEnd,
              50,
              60,
              2,
              5,
              error,
              true,
              number,
              details));
      return sdk.only();
    }
  }

  @Test
  void httpCall() {
    SpanData span = new Call(GET).send();
    assertThat(span.getName()).isEqualTo("GET");
    assertThat(span.getKind()).isEqualTo(SpanKind.CLIENT);
    assertThat(span.getStatus().getStatusCode()).isEqualTo(StatusCode.UNSET);
    assertThat(span.getStartEpochNanos()).isEqualTo(clock.anchor().epochNanos(base));
    assertThat(Sdk.duration(span)).isEqualTo(10_000);
    assertThat(Sdk.attributes(span))
        .containsExactlyInAnyOrderEntriesOf(
            Map.ofEntries(
                Map.entry("http.request.method", "GET"),
                Map.entry("url.full", "http://shop:8080/a?b=c"),
                Map.entry("server.address", "shop"),
                Map.entry("server.port", 8080L),
                Map.entry("network.peer.address", "10.0.0.2"),
                Map.entry("network.peer.port", 8080L),
                Map.entry("network.protocol.version", "1.1"),
                Map.entry("http.response.status_code", 200L),
                Map.entry("underspan.level", "kernel"),
                Map.entry("underspan.time.network", 7_000L),
                Map.entry("underspan.time.idle", 3_000L),
                Map.entry("underspan.tcp.rtt", 60_000L),
                Map.entry("underspan.tcp.retransmits", 3L),
                Map.entry("underspan.net.bytes_out", 120L),
                Map.entry("underspan.net.bytes_in", 3_000L),
                Map.entry("underspan.net.first_byte", 6_000L),
                Map.entry("underspan.net.connect", 600L)));
  }

  @Test
  void connectingCountsForTheFirstCallOnly() {
    Call call = new Call(GET);
    call.first = false;
    assertThat(Sdk.attributes(call.send())).doesNotContainKey("underspan.net.connect");
  }

  @Test
  void absoluteTargetAndNoHost() {
    Call call = new Call(new ClientCall.Http("GET", "http://far/x", false, null, "1.1", 200, null));
    SpanData span = call.send();
    assertThat(Sdk.get(span, "url.full")).isEqualTo("http://far/x");
    assertThat(Sdk.get(span, "server.address")).isEqualTo("10.0.0.2");
  }

  @Test
  void hostWithoutPortOfAnIpv6Address() {
    SpanData span =
        new Call(new ClientCall.Http("GET", "/", false, "[::1]", "1.1", 200, null)).send();
    assertThat(Sdk.get(span, "url.full")).isEqualTo("http://[::1]/");
    assertThat(Sdk.get(span, "server.address")).asString().contains("::1");
  }

  @Test
  void httpError() {
    Call call = new Call(new ClientCall.Http("PUT", "/", false, "h", "1.1", 503, null));
    call.error = "503";
    SpanData span = call.send();
    assertThat(span.getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
    assertThat(Sdk.attributes(span))
        .containsEntry("error.type", "503")
        .containsEntry("http.response.status_code", 503L);
  }

  @Test
  void noAnswer() {
    Call call = new Call(new ClientCall.Http("GET", "/", false, "h", "", 0, null));
    call.error = ClientCall.CONNECTION_CLOSED;
    call.firstByte = 0;
    SpanData span = call.send();
    assertThat(Sdk.attributes(span))
        .containsEntry("error.type", "connection_closed")
        .doesNotContainKeys(
            "http.response.status_code", "network.protocol.version", "underspan.net.first_byte");
    assertThat(Sdk.budget(span)).containsExactly(Map.entry("network", 10_000L));
  }

  @Test
  void http2Call() {
    SpanData span =
        new Call(new ClientCall.Http("GET", "/a", false, "shop:8443", "2", 200, null, "https"))
            .send();
    assertThat(span.getName()).isEqualTo("GET");
    assertThat(Sdk.attributes(span))
        .containsEntry("url.full", "https://shop:8443/a")
        .containsEntry("network.protocol.version", "2");
  }

  @Test
  void http2CallOfWhichLittleIsKnown() {
    SpanData span = new Call(new ClientCall.Http("", "", true, null, "2", 0, null, null)).send();
    assertThat(span.getName()).isEqualTo("HTTP");
    assertThat(Sdk.attributes(span))
        .containsEntry("http.request.method", "_OTHER")
        .containsEntry("server.address", "10.0.0.2")
        .doesNotContainKeys("url.full", "http.response.status_code");
  }

  @Test
  void grpcCall() {
    SpanData span =
        new Call(new ClientCall.Rpc("grpc", "a.b.Shop", "Buy", "shop:9090", "OK", null)).send();
    assertThat(span.getName()).isEqualTo("a.b.Shop/Buy");
    assertThat(span.getKind()).isEqualTo(SpanKind.CLIENT);
    assertThat(span.getStatus().getStatusCode()).isEqualTo(StatusCode.UNSET);
    assertThat(Sdk.attributes(span))
        .containsEntry("rpc.system.name", "grpc")
        .containsEntry("rpc.method", "a.b.Shop/Buy")
        .containsEntry("rpc.status_code", "OK")
        .containsEntry("server.address", "shop")
        .containsEntry("server.port", 9090L)
        .containsEntry("network.peer.address", "10.0.0.2")
        .containsEntry("network.peer.port", 8080L)
        .doesNotContainKeys("error.type", "http.request.method", "url.full");
  }

  @Test
  void grpcError() {
    Call call = new Call(new ClientCall.Rpc("grpc", "S", "M", "shop", "NOT_FOUND", null));
    call.error = "NOT_FOUND";
    SpanData span = call.send();
    assertThat(span.getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
    assertThat(Sdk.attributes(span))
        .containsEntry("error.type", "NOT_FOUND")
        .containsEntry("rpc.status_code", "NOT_FOUND")
        .containsEntry("server.address", "shop")
        .containsEntry("server.port", 8080L);
  }

  @Test
  void grpcCallOfWhichLittleIsKnown() {
    SpanData span = new Call(new ClientCall.Rpc("grpc", null, null, null, null, null)).send();
    assertThat(span.getName()).isEqualTo("grpc");
    assertThat(Sdk.attributes(span))
        .containsEntry("rpc.system.name", "grpc")
        .containsEntry("server.address", "10.0.0.2")
        .doesNotContainKeys("rpc.method", "rpc.status_code");
  }

  @Test
  void injectedIdOfAGrpcCallIsTakenOver() {
    TraceHead carried =
        new TraceHead(PARENT.traceIdHigh(), PARENT.traceIdLow(), 0xabcdef0123456789L, 1);
    injected.put(carried.spanId(), PARENT);
    Call call = new Call(new ClientCall.Rpc("grpc", "S", "M", "shop", "OK", carried));
    call.parent = null; // an event loop wrote it
    SpanData span = call.send();
    assertThat(span.getSpanId()).isEqualTo("abcdef0123456789");
    assertThat(span.getParentSpanId()).isEqualTo("00f067aa0ba902b7");
  }

  @Test
  void sqlCall() {
    SpanData span = new Call(SELECT).send();
    assertThat(span.getName()).isEqualTo("SELECT item");
    assertThat(span.getKind()).isEqualTo(SpanKind.CLIENT);
    assertThat(Sdk.attributes(span))
        .containsEntry("db.system.name", "postgresql")
        .containsEntry("db.namespace", "shop")
        .containsEntry("db.operation.name", "SELECT")
        .containsEntry("db.query.text", "select * from item where id=?")
        .containsEntry("db.query.summary", "SELECT item")
        .containsEntry("server.address", "10.0.0.2")
        .containsEntry("server.port", 8080L)
        .doesNotContainKeys("db.response.status_code", "error.type", "http.request.method");
    assertThat(Sdk.attributes(span).values()).doesNotContain("select * from item where id=7");
  }

  @Test
  void sqlError() {
    Call call =
        new Call(
            new ClientCall.Sql(
                "postgresql", "insert", false, "insert", "INSERT", null, null, null, "23505"));
    call.error = "23505";
    SpanData span = call.send();
    assertThat(span.getName()).isEqualTo("INSERT");
    assertThat(span.getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
    assertThat(Sdk.attributes(span))
        .containsEntry("db.response.status_code", "23505")
        .containsEntry("error.type", "23505")
        .doesNotContainKey("db.namespace");
  }

  @Test
  void sqlOfAnUnseenStatement() {
    ClientCall.Sql unseen =
        new ClientCall.Sql("postgresql", "", true, "", null, null, "shop", null, null);
    SpanData span = new Call(unseen).send();
    assertThat(span.getName()).isEqualTo("shop");
    assertThat(Sdk.attributes(span)).doesNotContainKeys("db.query.text", "db.query.summary");
  }

  @Test
  void mariaDbError() {
    Call call =
        new Call(
            new ClientCall.Sql(
                "mariadb",
                "insert into t values ('a')",
                false,
                "insert into t values (?)",
                "INSERT",
                "t",
                "shop",
                "joe",
                "1062"));
    call.error = "1062";
    SpanData span = call.send();
    assertThat(span.getName()).isEqualTo("INSERT t");
    assertThat(Sdk.attributes(span))
        .containsEntry("db.system.name", "mariadb")
        .containsEntry("db.namespace", "shop")
        .containsEntry("db.query.text", "insert into t values (?)")
        .containsEntry("db.response.status_code", "1062")
        .containsEntry("error.type", "1062");
  }

  @Test
  void redisCommand() {
    Call call = new Call(new ClientCall.Command("redis", "INCR", "INCR ?", "3", "WRONGTYPE"));
    call.error = "WRONGTYPE";
    SpanData span = call.send();
    assertThat(span.getName()).isEqualTo("INCR");
    assertThat(span.getKind()).isEqualTo(SpanKind.CLIENT);
    assertThat(span.getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
    assertThat(Sdk.attributes(span))
        .containsEntry("db.system.name", "redis")
        .containsEntry("db.namespace", "3")
        .containsEntry("db.operation.name", "INCR")
        .containsEntry("db.query.text", "INCR ?")
        .containsEntry("db.response.status_code", "WRONGTYPE")
        .containsEntry("error.type", "WRONGTYPE")
        .containsEntry("server.port", 8080L)
        .doesNotContainKeys("db.query.summary", "http.request.method");
  }

  @Test
  void redisCommandOfUnseenName() {
    SpanData span = new Call(new ClientCall.Command("redis", null, "", null, null)).send();
    assertThat(span.getName()).isEqualTo("redis");
    assertThat(Sdk.attributes(span))
        .containsEntry("db.system.name", "redis")
        .doesNotContainKeys(
            "db.query.text", "db.namespace", "db.operation.name", "db.response.status_code");
  }

  @Test
  void messagesSent() {
    SpanData span =
        new Call(new ClientCall.Messaging("kafka", "send", "send", "orders", 3, 17, "web-1", null))
            .send();
    assertThat(span.getName()).isEqualTo("send orders");
    assertThat(span.getKind()).isEqualTo(SpanKind.CLIENT);
    assertThat(Sdk.attributes(span))
        .containsEntry("messaging.system", "kafka")
        .containsEntry("messaging.operation.name", "send")
        .containsEntry("messaging.operation.type", "send")
        .containsEntry("messaging.destination.name", "orders")
        .containsEntry("messaging.destination.partition.id", "3")
        .containsEntry("messaging.batch.message_count", 17L)
        .containsEntry("messaging.client.id", "web-1")
        .containsEntry("server.address", "10.0.0.2")
        .containsEntry("server.port", 8080L)
        .doesNotContainKeys(
            "messaging.consumer.group.name", "error.type", "db.system.name", "url.full");
  }

  @Test
  void messagesReceived() {
    SpanData span =
        new Call(new ClientCall.Messaging("kafka", "poll", "receive", "a", 0, 1, "c", "payers"))
            .send();
    assertThat(span.getName()).isEqualTo("poll a");
    assertThat(span.getKind()).isEqualTo(SpanKind.CLIENT);
    assertThat(Sdk.attributes(span))
        .containsEntry("messaging.operation.type", "receive")
        .containsEntry("messaging.destination.partition.id", "0")
        .containsEntry("messaging.consumer.group.name", "payers");
  }

  @Test
  void messagesOfWhichLittleWasSeen() {
    Call call =
        new Call(new ClientCall.Messaging("kafka", "poll", "receive", null, -1, -1, null, null));
    call.error = "NOT_LEADER_OR_FOLLOWER";
    SpanData span = call.send();
    assertThat(span.getName()).isEqualTo("poll");
    assertThat(span.getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
    assertThat(Sdk.attributes(span))
        .containsEntry("error.type", "NOT_LEADER_OR_FOLLOWER")
        .doesNotContainKeys(
            "messaging.destination.name",
            "messaging.destination.partition.id",
            "messaging.batch.message_count",
            "messaging.client.id",
            "messaging.consumer.group.name");
  }

  @Test
  void parentIsTheHead() {
    SpanData span = new Call(GET).send();
    assertThat(span.getTraceId()).isEqualTo("4bf92f3577b34da6a3ce929d0e0e4736");
    assertThat(span.getParentSpanId()).isEqualTo("00f067aa0ba902b7");
  }

  @Test
  void noHeadIsARoot() {
    Call call = new Call(GET);
    call.parent = null;
    SpanData span = call.send();
    assertThat(span.getParentSpanContext().isValid()).isFalse();
    assertThat(span.getSpanContext().isValid()).isTrue();
  }

  @Test
  void notSampledStaysNotSampled() {
    Call call = new Call(GET);
    call.parent = new TraceHead(1, 2, 3, 0);
    spans.accept(
        new ClientCall(
            call.connection,
            true,
            base,
            base,
            0,
            base + 1,
            call.parent,
            0,
            0,
            null,
            null,
            0,
            0,
            0,
            0,
            null,
            true,
            -1,
            GET));
    assertThat(sdk.exporter.getFinishedSpanItems()).isEmpty();
  }

  @Test
  void anAnnouncedCallIsTheSpanThatWasLinkedTo() {
    SpanContext promised = requireNonNull(announced.announce("web-1", 7, null));
    Call call =
        new Call(new ClientCall.Messaging("kafka", "send", "send", "orders", 3, 17, "web-1", null));
    call.number = 7;
    SpanData span = call.send();
    // What it was under when it was announced counts, which was nothing.
    assertThat(span.getParentSpanContext().isValid()).isFalse();
    assertThat(span.getSpanContext()).isEqualTo(promised);
    sdk.exporter.reset();
    assertThat(call.send().getSpanContext().getSpanId()).isNotEqualTo(promised.getSpanId());
    // Two clients of one name: nobody can say whose it is.
    assertThat(announced.announce("web-1", 7, null)).isNotNull();
    assertThat(announced.announce("web-1", 7, null)).isNull();
    assertThat(announced.take("web-1", 7)).isNull();
    assertThat(announced.announce("web-1", 7, null)).isNotNull();
  }

  @Test
  void injectedIdIsTakenOver() {
    TraceHead carried =
        new TraceHead(PARENT.traceIdHigh(), PARENT.traceIdLow(), 0xabcdef0123456789L, 1);
    injected.put(carried.spanId(), PARENT);
    Call call = new Call(new ClientCall.Http("GET", "/", false, "h", "1.1", 200, carried));
    // Another span is current on the thread that sends: the one of the injection counts.
    call.parent = new TraceHead(9, 9, 9, 1);
    SpanData span = call.send();
    assertThat(span.getSpanId()).isEqualTo("abcdef0123456789");
    assertThat(span.getTraceId()).isEqualTo("4bf92f3577b34da6a3ce929d0e0e4736");
    assertThat(span.getParentSpanId()).isEqualTo("00f067aa0ba902b7");

    // Only once: a repeated header gives a span of its own.
    sdk.exporter.reset();
    SpanData repeated = call.send();
    assertThat(repeated.getSpanId()).isNotEqualTo("abcdef0123456789");
    assertThat(repeated.getParentSpanId()).isEqualTo(SpanId.fromLong(9));
  }

  @Test
  void somebodyElsesHeaderIsTheParentOnlyForWantOfAnother() {
    TraceHead foreign = new TraceHead(5, 6, 7, 1);
    Call call = new Call(new ClientCall.Http("GET", "/", false, "h", "1.1", 200, foreign));
    assertThat(call.send().getParentSpanId()).isEqualTo("00f067aa0ba902b7");
    sdk.exporter.reset();
    call.parent = null;
    SpanData span = call.send();
    assertThat(span.getParentSpanId()).isEqualTo(SpanId.fromLong(7));
    assertThat(span.getSpanId()).isNotEqualTo(SpanId.fromLong(7));
  }

  private ClientSpans.Account account(long atNs, long thread, long... kindsAndValues) {
    return new ClientSpans.Account(atNs, Sdk.account(kindsAndValues), thread);
  }

  private static final int CPU = Layout.KIND_CPU;
  private static final int NETWORK = Layout.KIND_NETWORK;
  private static final int RUN_QUEUE = Layout.KIND_RUN_QUEUE;

  @Test
  void budgetOfOneThread() {
    Call call = new Call(GET);
    call.accountBegin = account(base + 400, 31, CPU, 50_000, NETWORK, 70_000);
    call.accountEnd = account(base + 10_000, 31, CPU, 51_000, NETWORK, 78_000, RUN_QUEUE, 600);
    SpanData span = call.send();
    assertThat(Sdk.budget(span))
        .containsExactlyInAnyOrderEntriesOf(
            Map.of("cpu", 1_400L, "network", 8_000L, "run_queue", 600L));
    assertThat(Sdk.sum(span)).isEqualTo(Sdk.duration(span));
  }

  private void budgetOfNoOneThread(Object begin, @Nullable Object end) {
    sdk.exporter.reset();
    Call call = new Call(SELECT);
    call.accountBegin = begin;
    call.accountEnd = end;
    SpanData span = call.send();
    assertThat(Sdk.budget(span))
        .containsExactlyInAnyOrderEntriesOf(Map.of("network", 7_000L, "idle", 3_000L));
    assertThat(Sdk.sum(span)).isEqualTo(Sdk.duration(span));
  }

  @Test
  void budgetOverThreads() {
    Object begin = account(base, 31, CPU, 1);
    budgetOfNoOneThread(begin, null);
    budgetOfNoOneThread(begin, account(base + 10_000, 41, CPU, 9_000)); // another slot
    budgetOfNoOneThread(begin, account(base + 10_000, 32, CPU, 9_000)); // another thread
    budgetOfNoOneThread(begin, account(base + 10_000, 0, CPU, 9_000));
    budgetOfNoOneThread(account(base, 0, CPU, 1), account(base + 10_000, 31, CPU, 9_000));
  }

  @Test
  void budgetOfAnAnswerBeforeTheCall() {
    Call call = new Call(GET);
    call.firstByte = base - 5; // cannot be, but must not break the sum
    SpanData span = call.send();
    assertThat(Sdk.budget(span)).containsExactly(Map.entry("idle", 10_000L));
  }

  @Test
  void budgetOfACallCutOff() {
    Call call = new Call(GET);
    call.error = ClientCall.CONNECTION_CLOSED;
    call.accountBegin = account(base, 31, CPU, 1_000);
    call.accountEnd = account(base + 7_500, 31, CPU, 1_500, NETWORK, 7_000);
    SpanData span = call.send();
    assertThat(Sdk.sum(span)).isEqualTo(Sdk.duration(span));
  }

  @Test
  void noHostOfAnIpv6Peer() {
    Call call = new Call(new ClientCall.Http("GET", "/", false, null, "1.0", 200, null));
    call.connection =
        new ConnectionInfo("0:0:0:0:0:0:0:1", 4, "0:0:0:0:0:0:0:1", 8080, true, false, 0, 0);
    assertThat(Sdk.get(call.send(), "url.full")).isEqualTo("http://[0:0:0:0:0:0:0:1]:8080/");
  }
}
