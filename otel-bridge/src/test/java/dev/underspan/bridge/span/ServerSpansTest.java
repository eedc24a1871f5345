package dev.underspan.bridge.span;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.FakeKernel;
import dev.underspan.bridge.clock.EpochClock;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class ServerSpansTest {
  private static final @Nullable String[] NOTHING = {null, null};
  private static final int PORT = 8080;
  private static final int CLIENT_PORT = 54321;

  private final Sdk sdk = new Sdk();
  private final FakeKernel kernel = new FakeKernel();
  private final Activities activities = new Activities();
  private final AcceptTimes acceptTimes = new AcceptTimes();
  private final EpochClock clock = new EpochClock();
  private final ServerSpans spans =
      new ServerSpans(sdk.tracer, sdk.propagator, activities, acceptTimes, clock);

  private static RequestInfo request(int clientPort, int localPort) {
    return new RequestInfo(
        "test",
        "GET",
        null,
        "/a",
        "b=c",
        "shop:8080",
        "10.0.0.9",
        clientPort,
        localPort,
        "1.1",
        "curl");
  }

  private static RequestInfo request() {
    return request(CLIENT_PORT, PORT);
  }

  /** What the kernel notes when slot 0's thread reads a request, its account being 1000 of CPU. */
  private void read(long cookie, long number, long established, long arrival, long read) {
    int at = Layout.Slot.SIZE + Layout.Slot.REQUEST;
    kernel.memory.putLong(at + Layout.ServerRequest.THREAD, kernel.ledger().thread(1));
    kernel.memory.putLong(at + Layout.ServerRequest.COOKIE, cookie);
    kernel.memory.putLong(at + Layout.ServerRequest.NUMBER, number);
    kernel.memory.putLong(at + Layout.ServerRequest.ESTABLISHED_NS, established);
    kernel.memory.putLong(at + Layout.ServerRequest.ARRIVAL_NS, arrival);
    kernel.memory.putLong(at + Layout.ServerRequest.READ_NS, read);
    kernel.memory.putLong(at + Layout.ServerRequest.BYTES_IN, 210);
    kernel.memory.putInt(at + Layout.ServerRequest.RTT_US, 33);
    kernel.memory.putShort(at + Layout.ServerRequest.LOCAL_PORT, (short) PORT);
    kernel.memory.putShort(at + Layout.ServerRequest.REMOTE_PORT, (short) CLIENT_PORT);
    kernel.memory.putLong(at + Layout.ServerRequest.NS + 8 * Layout.KIND_CPU, 1000);
    kernel.account(1, Layout.KIND_CPU, read, 1000);
  }

  private void connect() {
    activities.connect(kernel);
    assertThat(activities.state().slot()).isEqualTo(1);
  }

  @Test
  void trueStartAndQueueBeforeTheRead() {
    connect();
    long read = System.nanoTime();
    read(7, 1, read - 9_000, read - 5_000, read);
    acceptTimes.accepted(read - 7_000, PORT, CLIENT_PORT);
    ServerSpans.Handle handle = spans.start(request(), NOTHING);
    assertThat(activities.current()).isNotNull();
    // 600 in a lock since the read, the rest on a processor.
    kernel.account(1, Layout.KIND_CPU, read + 600, 1000, 0, 0, 600);
    handle.end(200, "/{x}", null);
    assertThat(activities.current()).isNull();

    SpanData span = sdk.only();
    assertThat(span.getKind()).isEqualTo(SpanKind.SERVER);
    assertThat(span.getStartEpochNanos()).isEqualTo(clock.anchor().epochNanos(read - 5_000));
    assertThat(Sdk.budget(span)).containsOnlyKeys("idle", "cpu", "lock");
    assertThat(Sdk.budget(span)).containsEntry("idle", 5_000L).containsEntry("lock", 600L);
    assertThat(Sdk.sum(span)).isEqualTo(Sdk.duration(span));
    assertThat(Sdk.attributes(span))
        .containsEntry("underspan.level", "kernel")
        .containsEntry("underspan.queue.receive", 5_000L)
        .containsEntry("underspan.queue.accept", 2_000L)
        .containsEntry("underspan.tcp.rtt", 33_000L)
        .containsEntry("underspan.net.bytes_in", 210L);
  }

  @Test
  void arrivalNotSeen() {
    connect();
    long read = System.nanoTime();
    read(7, 2, 0, 0, read);
    spans.start(request(), NOTHING).end(200, null, null);
    SpanData span = sdk.only();
    assertThat(span.getStartEpochNanos()).isEqualTo(clock.anchor().epochNanos(read));
    assertThat(Sdk.budget(span)).containsOnlyKeys("cpu");
    assertThat(Sdk.sum(span)).isEqualTo(Sdk.duration(span));
    assertThat(Sdk.attributes(span))
        .doesNotContainKeys("underspan.queue.receive", "underspan.queue.accept");
  }

  @Test
  void acceptCountsForAConnectionsFirstRequestOnly() {
    connect();
    long read = System.nanoTime();
    acceptTimes.accepted(read - 7_000, PORT, CLIENT_PORT);
    read(7, 2, read - 9_000, read - 5_000, read);
    spans.start(request(), NOTHING).end(200, null, null);
    assertThat(Sdk.attributes(sdk.only())).doesNotContainKey("underspan.queue.accept");
    // An accept of an earlier connection from the same port is not this one's.
    sdk.exporter.reset();
    read(8, 1, read - 6_000, read - 5_000, read);
    spans.start(request(), NOTHING).end(200, null, null);
    assertThat(Sdk.attributes(sdk.only()))
        .containsKey("underspan.queue.receive")
        .doesNotContainKey("underspan.queue.accept");
  }

  private boolean tookIt(RequestInfo request) {
    sdk.exporter.reset();
    spans.start(request, NOTHING).end(200, null, null);
    return Sdk.attributes(sdk.only()).containsKey("underspan.queue.receive");
  }

  @Test
  void noRequestIsTakenTwice() {
    connect();
    long read = System.nanoTime();
    read(7, 3, 0, read - 5_000, read);
    assertThat(tookIt(request())).isTrue();
    // The thread has waited since: it was given this one.
    kernel.account(1, Layout.KIND_CPU, read, 1000, 0, 0, 0, 77);
    assertThat(tookIt(request())).isFalse();
    SpanData span = sdk.only();
    assertThat(span.getStartEpochNanos()).isGreaterThan(clock.anchor().epochNanos(read));
    assertThat(Sdk.sum(span)).isEqualTo(Sdk.duration(span));
    read(7, 4, 0, read - 4_000, read);
    assertThat(tookIt(request())).as("the connection's next").isTrue();
    read(8, 1, 0, read - 4_000, read);
    assertThat(tookIt(request())).as("another connection's first").isTrue();
  }

  @Test
  void aPipelinedRequestCameWithTheOneBefore() {
    connect();
    long read = System.nanoTime();
    read(7, 3, 0, read - 5_000, read);
    assertThat(tookIt(request())).isTrue();
    assertThat(tookIt(request())).as("straight from the first").isTrue();
    SpanData span = sdk.only();
    assertThat(span.getStartEpochNanos()).isEqualTo(clock.anchor().epochNanos(read - 5_000));
    assertThat(Sdk.get(span, "underspan.queue.receive")).isEqualTo(5_000L);
    assertThat(Sdk.budget(span).get("idle")).as("behind the first").isGreaterThan(5_000);
    assertThat(Sdk.sum(span)).isEqualTo(Sdk.duration(span));
  }

  @Test
  void aRequestThatAnotherThreadReadBeginsWithItsArrival() {
    connect();
    long read = System.nanoTime();
    int at = (CLIENT_PORT & (Layout.RECENT_REQUESTS - 1)) * Layout.RecentRequest.SIZE;
    kernel.requests.putShort(at + Layout.RecentRequest.LOCAL_PORT, (short) PORT);
    kernel.requests.putShort(at + Layout.RecentRequest.REMOTE_PORT, (short) CLIENT_PORT);
    kernel.requests.putLong(at + Layout.RecentRequest.NUMBER, 1);
    kernel.requests.putLong(at + Layout.RecentRequest.ESTABLISHED_NS, read - 9_000);
    kernel.requests.putLong(at + Layout.RecentRequest.ARRIVAL_NS, read - 5_000);
    kernel.requests.putLong(at + Layout.RecentRequest.READ_NS, read - 1_000);
    kernel.account(1, Layout.KIND_CPU, read - 8_000, 1000);
    acceptTimes.accepted(read - 7_000, PORT, CLIENT_PORT);
    assertThat(tookIt(request())).isTrue();
    SpanData span = sdk.only();
    assertThat(span.getStartEpochNanos()).isEqualTo(clock.anchor().epochNanos(read - 5_000));
    assertThat(Sdk.get(span, "underspan.queue.receive")).isEqualTo(4_000L);
    assertThat(Sdk.get(span, "underspan.queue.accept")).isEqualTo(2_000L);
    assertThat(Sdk.budget(span).get("idle")).as("until the handler").isGreaterThan(5_000);
    assertThat(Sdk.sum(span)).isEqualTo(Sdk.duration(span));
    // Behind it on the same connection: came with the same bytes, and was accepted no second time.
    assertThat(tookIt(request())).isTrue();
    assertThat(Sdk.attributes(sdk.only())).doesNotContainKey("underspan.queue.accept");
    // While it is being written it is not read.
    kernel.requests.putInt(at + Layout.RecentRequest.SEQ, 1);
    assertThat(tookIt(request())).isFalse();
  }

  @Test
  void anotherConnectionsRequestIsIgnored() {
    connect();
    long read = System.nanoTime();
    read(7, 1, 0, read - 5_000, read);
    assertThat(tookIt(request(CLIENT_PORT + 1, PORT))).isFalse();
    assertThat(tookIt(request(CLIENT_PORT, PORT + 1))).isFalse();
    assertThat(tookIt(request(0, 0))).as("ports not known").isTrue();
  }

  @Test
  void aRequestOfTheFutureIsIgnored() {
    connect();
    long read = System.nanoTime() + TimeUnit.HOURS.toNanos(1);
    read(7, 1, 0, read - 5_000, read);
    assertThat(tookIt(request())).isFalse();
  }

  @Test
  void noKernelIsLevelProcess() {
    ServerSpans.Handle handle = spans.start(request(), NOTHING);
    handle.end(200, null, null);
    SpanData span = sdk.only();
    assertThat(Sdk.attributes(span))
        .containsEntry("underspan.level", "process")
        .doesNotContainKeys("underspan.queue.receive", "underspan.tcp.rtt");
    assertThat(Sdk.budget(span).keySet()).isSubsetOf("cpu", "run_queue", "other", "idle");
    assertThat(Sdk.sum(span)).isPositive();
  }

  @Test
  void describesTheRequest() {
    connect();
    spans.start(request(), NOTHING).end(404, "/{x}", null);
    SpanData span = sdk.only();
    assertThat(span.getName()).isEqualTo("GET /{x}");
    assertThat(span.getStatus().getStatusCode()).isEqualTo(StatusCode.UNSET);
    assertThat(Sdk.attributes(span))
        .containsAllEntriesOf(
            Map.ofEntries(
                Map.entry("http.request.method", "GET"),
                Map.entry("http.route", "/{x}"),
                Map.entry("http.response.status_code", 404L),
                Map.entry("url.scheme", "http"),
                Map.entry("url.path", "/a"),
                Map.entry("url.query", "b=c"),
                Map.entry("server.address", "shop"),
                Map.entry("server.port", (long) PORT),
                Map.entry("client.address", "10.0.0.9"),
                Map.entry("network.peer.port", (long) CLIENT_PORT),
                Map.entry("network.protocol.version", "1.1"),
                Map.entry("user_agent.original", "curl")))
        .doesNotContainKey("error.type");
  }

  @Test
  void errors() {
    spans.start(request(), NOTHING).end(503, null, null);
    SpanData answered = sdk.only();
    assertThat(answered.getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
    assertThat(Sdk.get(answered, "error.type")).isEqualTo("503");
    sdk.exporter.reset();
    spans.start(request(), NOTHING).end(0, null, new IllegalStateException("no"));
    SpanData thrown = sdk.only();
    assertThat(thrown.getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
    assertThat(Sdk.get(thrown, "error.type")).isEqualTo("java.lang.IllegalStateException");
    assertThat(thrown.getEvents()).hasSize(1);
    assertThat(Sdk.attributes(thrown)).doesNotContainKey("http.response.status_code");
  }

  @Test
  void parentByTheHeaders() {
    List<String> fields = List.of(spans.fields());
    assertThat(fields).contains("traceparent");
    @Nullable String[] values = new @Nullable String[fields.size()];
    values[fields.indexOf("traceparent")] =
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    connect();
    ServerSpans.Handle handle = spans.start(request(), values);
    assertThat(kernel.head(1)).startsWith("4bf92f3577b34da6a3ce929d0e0e4736-");
    handle.end(200, null, null);
    SpanData span = sdk.only();
    assertThat(span.getTraceId()).isEqualTo("4bf92f3577b34da6a3ce929d0e0e4736");
    assertThat(span.getParentSpanId()).isEqualTo("00f067aa0ba902b7");
    assertThat(span.getParentSpanContext().isRemote()).isTrue();
    assertThat(kernel.head(1)).isEqualTo("none");
  }

  @Test
  void overTwoThreads() throws Exception {
    connect();
    long read = System.nanoTime();
    read(7, 1, 0, read - 5_000, read);
    ServerSpans.Handle handle = spans.start(request(), NOTHING);
    handle.suspend();
    assertThat(activities.current()).isNull();
    assertThat(kernel.head(1)).isEqualTo("none");
    CompletableFuture<Integer> slot = new CompletableFuture<>();
    Thread other =
        new Thread(
            () -> {
              activities.state();
              kernel.account(2, Layout.KIND_DISK, System.nanoTime());
              handle.resume();
              slot.complete(activities.state().slot());
              handle.end(200, null, null);
            });
    other.start();
    other.join();
    assertThat(slot.get(20, TimeUnit.SECONDS)).isEqualTo(2);
    SpanData span = sdk.only();
    assertThat(Sdk.budget(span)).containsOnlyKeys("idle", "cpu", "disk");
    assertThat(Sdk.budget(span).get("idle")).isGreaterThan(5_000);
    assertThat(Sdk.sum(span)).isEqualTo(Sdk.duration(span));
  }

  @Test
  void aSuspendedRequestKeepsItsFigures() {
    connect();
    long read = System.nanoTime();
    read(7, 1, 0, read - 5_000, read);
    ServerSpans.Handle first = spans.start(request(), NOTHING);
    first.suspend();
    read(8, 1, 0, read - 5_000, read);
    kernel.memory.putLong(
        Layout.Slot.SIZE + Layout.Slot.REQUEST + Layout.ServerRequest.BYTES_IN, 999);
    spans.start(request(), NOTHING).end(200, null, null);
    sdk.exporter.reset();
    first.resume();
    first.end(200, null, null);
    assertThat(Sdk.get(sdk.only(), "underspan.net.bytes_in")).isEqualTo(210L);
  }

  @Test
  void noSlotIsNotLevelKernel() {
    activities.connect(new FakeKernel(0));
    spans.start(request(), NOTHING).end(200, null, null);
    SpanData span = sdk.only();
    assertThat(Sdk.sum(span)).isEqualTo(Sdk.duration(span));
    assertThat(Sdk.get(span, "underspan.level")).isEqualTo("process");
  }

  @Test
  void theKernelComesDuringTheRequest() {
    ServerSpans.Handle handle = spans.start(request(), NOTHING);
    activities.connect(kernel);
    kernel.account(1, Layout.KIND_WAIT, System.nanoTime());
    handle.end(200, null, null);
    assertThat(Sdk.sum(sdk.only())).isEqualTo(Sdk.duration(sdk.only()));
  }
}
