package dev.underspan.bridge.span;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.activity.FakeKernel;
import dev.underspan.bridge.clock.EpochClock;
import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.Peer;
import dev.underspan.bridge.wire.TraceHead;
import dev.underspan.bridge.wire.WireCounters;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class SocketServersTest {
  private static final int PORT = 8080;
  private static final int CLIENT_PORT = 54321;
  private static final Peer PEER = new Peer(PORT, "10.0.0.9", CLIENT_PORT);
  private static final String OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  private static final String HEADERS =
      String.join(
          "\r\n",
          " HTTP/1.1",
          "Host: shop:8080",
          "User-Agent: curl",
          "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
          "",
          "");

  private final Sdk sdk = new Sdk();
  private final FakeKernel kernel = new FakeKernel();
  private final Activities activities = new Activities();
  private final ServerSpans spans =
      new ServerSpans(sdk.tracer, sdk.propagator, activities, new AcceptTimes(), new EpochClock());
  private int everyRead;
  private final SocketServers servers =
      new SocketServers(spans, activities, new WireCounters(), () -> everyRead++);
  private long cookie = 7;
  private long carried;
  private long number;
  private boolean secured;

  /** The calling thread reads a request; its account is what it has spent on a processor. */
  private long read(String path) {
    return readBytes("GET " + path + HEADERS);
  }

  private long readBytes(String text) {
    activities.connect(kernel);
    int slot = activities.state().slot();
    assertThat(slot).isEqualTo(1);
    long now = System.nanoTime();
    int at = Layout.Slot.SIZE + Layout.Slot.REQUEST;
    number++;
    kernel.memory.putLong(at + Layout.ServerRequest.THREAD, kernel.ledger().thread(1));
    kernel.memory.putLong(at + Layout.ServerRequest.COOKIE, cookie);
    kernel.memory.putLong(at + Layout.ServerRequest.NUMBER, number);
    kernel.memory.putLong(at + Layout.ServerRequest.ARRIVAL_NS, now - 5000);
    kernel.memory.putLong(at + Layout.ServerRequest.READ_NS, now);
    kernel.memory.putShort(at + Layout.ServerRequest.LOCAL_PORT, (short) PORT);
    kernel.memory.putShort(at + Layout.ServerRequest.REMOTE_PORT, (short) CLIENT_PORT);
    kernel.memory.putLong(at + Layout.ServerRequest.NS + 8 * Layout.KIND_CPU, 1000);
    kernel.account(1, Layout.KIND_CPU, now, 1000);
    assertThat(servers.isWanted(PORT)).isTrue();
    byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
    servers.onRead(bytes, bytes.length, bytes.length, PEER, secured);
    return now;
  }

  private void carry(Chunk chunk) {
    carried += chunk.totalLength;
    servers.onCarried(cookie, carried, chunk);
  }

  private void sent(String text, long atNs, long thread, long cpu) {
    Chunk chunk = new Chunk();
    chunk.direction = Direction.SENT;
    chunk.data = text.getBytes(StandardCharsets.US_ASCII);
    chunk.length = chunk.data.length;
    chunk.totalLength = chunk.length;
    chunk.account = new ClientSpans.Account(atNs, Sdk.account(Layout.KIND_CPU, cpu), thread);
    carry(chunk);
  }

  private long here() {
    return kernel.ledger().thread(1);
  }

  @Test
  void answeredByWhoReadIt() {
    long read = read("/a?b=c");
    Activity activity = requireNonNull(activities.current());
    assertThat(kernel.head(1)).contains("4bf92f3577b34da6a3ce929d0e0e4736");
    assertThat(servers.isOpen(cookie)).isTrue();
    sent(OK, read + 700, here(), 1700);
    SpanData span = sdk.only();
    assertThat(span.getParentSpanId()).isEqualTo("00f067aa0ba902b7");
    assertThat(span.getName()).isEqualTo("GET");
    assertThat(span.getStatus().getStatusCode()).isEqualTo(StatusCode.UNSET);
    assertThat(Sdk.budget(span)).containsOnlyKeys("idle", "cpu").containsEntry("idle", 5000L);
    assertThat(Sdk.budget(span)).containsEntry("cpu", 700L);
    assertThat(Sdk.duration(span)).isEqualTo(5700);
    assertThat(Sdk.attributes(span))
        .containsEntry("url.path", "/a")
        .containsEntry("url.query", "b=c")
        .containsEntry("http.response.status_code", 200L)
        .containsEntry("server.address", "shop")
        .containsEntry("underspan.level", "kernel")
        .containsEntry("underspan.queue.receive", 5000L);

    // What the thread does after that is not the request's any more, unless it is another thread.
    TraceHead head = activity.head();
    assertThat(servers.stillOpen(head, here(), read + 700)).isEqualTo(head);
    assertThat(servers.stillOpen(head, here(), read + 701)).isNull();
    assertThat(servers.stillOpen(head, here() + 1, read + 701)).isEqualTo(head);
    assertThat(activities.current()).isNull();
    assertThat(kernel.head(1)).isEqualTo("none");
  }

  /** Kept alive: the next request is read before it is told that the first one was answered. */
  @Test
  void toldLate() {
    long first = read("/first");
    Activity before = requireNonNull(activities.current());
    long second = read("/second");
    assertThat(activities.current()).isNotNull().isNotSameAs(before);
    sent(OK, first + 300, here(), 1300);
    sent(OK.replace("200", "500"), second + 400, here(), 1400);
    List<SpanData> told = sdk.exporter.getFinishedSpanItems();
    assertThat(told)
        .extracting(span -> Sdk.get(span, "url.path"))
        .containsExactly("/first", "/second");
    assertThat(told).extracting(span -> Sdk.budget(span).get("cpu")).containsExactly(300L, 400L);
    assertThat(told.get(1).getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
  }

  @Test
  void handedToAnotherThread() throws Exception {
    long read = read("/a");
    Activity activity = requireNonNull(activities.current());
    kernel.account(2, Layout.KIND_CPU, 1);
    long[] other = new long[3];
    Thread worker =
        new Thread(
            () -> {
              Activities.Scope scope = activities.attach(activity);
              other[0] = kernel.ledger().thread(2);
              other[1] = System.nanoTime(); // answers now
              activities.detach(scope);
              other[2] = System.nanoTime();
            });
    worker.start();
    worker.join();
    sent(OK, other[1], other[0], other[1]);
    SpanData span = sdk.only();
    assertThat(Sdk.duration(span)).isEqualTo(other[1] - read + 5000);
    assertThat(Sdk.sum(span)).as("what it did after is not counted").isEqualTo(Sdk.duration(span));
    assertThat(Sdk.budget(span).get("idle")).isGreaterThan(5000);
  }

  /** The first requests are read before there is a handler that tells of them. */
  @Test
  void handledByAdvice() {
    read("/a");
    assertThat(activities.current()).isNotNull();
    ServerSpans.Handle handle =
        spans.start(
            new RequestInfo(
                "test", "GET", null, "/a", null, null, null, CLIENT_PORT, PORT, null, null),
            new String[2]);
    handle.end(200, null, null);
    sent(OK, System.nanoTime(), here(), 5000);
    assertThat(Sdk.get(sdk.only(), "http.response.status_code")).isEqualTo(200L);
    assertThat(activities.current()).as("the one read, until the thread reads again").isNotNull();
    assertThat(servers.isWanted(PORT)).isFalse();
    assertThat(activities.current()).isNull();
  }

  /** Which of several a thread works on is not told, but answers come in their order. */
  @Test
  void severalInOneRead() {
    String more = "GET /c" + HEADERS;
    long first = readBytes("GET /a" + HEADERS + "GET /b" + HEADERS + more.substring(0, 30));
    assertThat(activities.current()).isNull();
    assertThat(servers.isContinued(PORT)).isTrue();
    assertThat(everyRead).isOne();
    sent(OK + OK.replace("200", "404"), first + 100, here(), 1100);
    long second = readBytes(more.substring(30));
    assertThat(activities.current()).isNotNull();
    sent("HTTP/1.1 2", second + 150, here(), 1150);
    sent("01 Made\r\nContent-Length: 0\r\n\r\n", second + 200, here(), 1200);
    List<SpanData> told = sdk.exporter.getFinishedSpanItems();
    assertThat(told)
        .extracting(span -> Sdk.get(span, "url.path"))
        .containsExactly("/a", "/b", "/c");
    assertThat(told)
        .extracting(span -> Sdk.get(span, "http.response.status_code"))
        .containsExactly(200L, 404L, 201L);
    assertThat(told).allMatch(span -> Sdk.sum(span) == Sdk.duration(span));
    // From now on each begins with a read again.
    read("/d");
    assertThat(activities.current()).isNotNull();
    assertThat(everyRead).isOne();
  }

  /** The answers were gathered in one write, of which only a prefix was captured. */
  @Test
  void answersNotCaptured() {
    long read = readBytes("GET /a" + HEADERS + "GET /b" + HEADERS);
    Chunk chunk = new Chunk();
    chunk.direction = Direction.SENT;
    chunk.data =
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
    chunk.length = chunk.data.length;
    chunk.totalLength = chunk.length + 150L;
    chunk.account = new ClientSpans.Account(read + 9, Sdk.account(Layout.KIND_CPU, 1009), here());
    carry(chunk);
    assertThat(Sdk.get(sdk.only(), "url.path")).isEqualTo("/a");
    // What the other one was is not known, but not what comes later.
    long next = read("/c");
    sent(OK.replace("200", "404"), next + 100, here(), 1100);
    List<SpanData> told = sdk.exporter.getFinishedSpanItems();
    assertThat(told)
        .extracting(span -> Sdk.get(span, "url.path"))
        .containsExactly("/a", "/b", "/c");
    assertThat(Sdk.get(told.get(1), "http.response.status_code")).isNull();
    assertThat(Sdk.get(told.get(2), "http.response.status_code")).isEqualTo(404L);
  }

  /** Over TLS the socket carries ciphertext, and what is in it is told by who sends. */
  @Test
  void secured() {
    servers.onRead(new byte[0], 0, 0, PEER, true);
    long read = readSecured("GET /a" + HEADERS);
    assertThat(activities.current()).isNotNull();
    sent(OK, read + 100, here(), 1100);
    assertThat(sdk.exporter.getFinishedSpanItems()).isEmpty();
    securedChunk(OK, read + 200);
    assertThat(Sdk.get(sdk.only(), "url.scheme")).isEqualTo("https");
    assertThat(Sdk.duration(sdk.only())).isEqualTo(5200);
  }

  private long readSecured(String text) {
    secured = true;
    return readBytes(text);
  }

  private void securedChunk(String text, long atNs) {
    Chunk chunk = new Chunk();
    chunk.direction = Direction.SENT;
    chunk.data = text.getBytes(StandardCharsets.US_ASCII);
    chunk.length = chunk.data.length;
    chunk.totalLength = chunk.length;
    chunk.account = new ClientSpans.Account(atNs, Sdk.account(Layout.KIND_CPU, 1200), here());
    servers.onSent(cookie, chunk);
  }

  @Test
  void notAnswered() {
    long read = read("/a");
    servers.onClosed(cookie, read + 900);
    SpanData span = sdk.only();
    assertThat(span.getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
    assertThat(Sdk.get(span, "error.type")).isEqualTo("connection_closed");
    assertThat(Sdk.duration(span)).isEqualTo(5900);
    assertThat(servers.isOpen(cookie)).isFalse();
  }

  /** Where the end of an answer was missed, it was before the next one's begin. */
  @Test
  void answersMissed() {
    long first = read("/first");
    sent("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", first + 100, here(), 1100);
    long second = read("/second");
    servers.onLoss();
    sent(OK, second + 400, here(), 1400);
    List<SpanData> told = sdk.exporter.getFinishedSpanItems();
    assertThat(told).extracting(Sdk::duration).containsExactly(5100L, 5400L);
  }

  /** The same, noticed by where the next one stands. */
  @Test
  void answersMissedByPosition() {
    long first = read("/first");
    sent("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", first + 100, here(), 1100);
    long second = read("/second");
    carried += 100;
    sent(OK, second + 400, here(), 1400);
    List<SpanData> told = sdk.exporter.getFinishedSpanItems();
    assertThat(told).extracting(Sdk::duration).containsExactly(5100L, 5400L);
  }

  /** Ends of connections may be lost with other events. */
  @Test
  void connectionsWithoutEnd() {
    for (cookie = 100; cookie < 20_100; cookie++) {
      long read = read("/a");
      sent(OK, read + 100, here(), 1100);
    }
    assertThat(servers.dropped()).isZero();
    assertThat(servers.isOpen(100)).isFalse();
    assertThat(servers.isOpen(20_099)).isTrue();
    assertThat(sdk.exporter.getFinishedSpanItems()).hasSize(20_000);
  }

  @Test
  void notWithinSomethingElse() {
    activities.connect(kernel);
    activities.state();
    Activities.Scope scope = activities.attach(null);
    read("/a");
    assertThat(activities.current()).isNotNull();
    sent(OK, System.nanoTime(), here(), 2000);
    assertThat(activities.current()).isNull();
    activities.detach(scope);
    assertThat(sdk.exporter.getFinishedSpanItems()).hasSize(1);
    assertThat(activities.misusedScopes()).isZero();
  }
}
