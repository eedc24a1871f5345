package dev.underspan.bridge.correlate;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.enrich.ClientOwners;
import dev.underspan.bridge.span.ClientSpans;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.TraceHead;
import dev.underspan.bridge.wire.WireCounters;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SocketEventsTest {
  private static final String REQUEST = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
  private static final String RESPONSE = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

  private final List<ClientCall> calls = new ArrayList<>();
  private final WireCounters counters = new WireCounters();
  private final SocketEvents events = new SocketEvents(calls::add, new ClientOwners(), counters);
  private final ByteBuffer ring = ByteBuffer.allocateDirect(4096).order(ByteOrder.nativeOrder());
  private final SocketEvent view = new SocketEvent();
  private int role = Layout.ROLE_CLIENT;
  private long thread = 12;
  private boolean head = true;
  private final Map<Long, long[]> moved = new HashMap<>();

  /** One record as the kernel writes it, in the order of struct socket_event. */
  private void event(int type, long cookie, long begin, long ns, String payload) {
    byte[] bytes = payload.getBytes(StandardCharsets.ISO_8859_1);
    int captured = Math.min(bytes.length, 256);
    int tail = captured < bytes.length ? 16 : 0;
    ByteBuffer out = ring.clear();
    out.position(24); // records do not begin at 0
    out.putShort((short) type).putShort((short) 256).putInt(4711).putLong(ns);
    out.putLong(cookie).putLong(thread);
    out.putShort((short) 2).putShort((short) 40001).putShort((short) 8080);
    out.putShort((short) role);
    out.put(new byte[] {10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    out.put(new byte[] {10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    out.put(new byte[] {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2});
    out.put(new byte[] {0, 0, 0, 0, 0, 0, 0, 3});
    out.put(new byte[] {(byte) (head ? 1 : 0), 1, 0, 0, 0, 0, 0, 0});
    long[] bytesInAndOut = moved.computeIfAbsent(cookie, key -> new long[2]);
    bytesInAndOut[type == Layout.EVENT_SENT ? 1 : 0] += bytes.length;
    out.putLong(begin).putLong(500).putLong(700);
    out.putLong(bytesInAndOut[0]).putLong(bytesInAndOut[1]);
    out.putInt((int) (ns / 100)).putInt(2).putInt(bytes.length).putInt(captured).putInt(tail);
    out.putInt(0);
    byte[] last = new byte[16];
    System.arraycopy(bytes, bytes.length - tail, last, 0, tail);
    out.put(last);
    for (int kind = 0; kind < 12; kind++) {
      out.putLong(ns * 100 + kind);
    }
    out.put(new byte[32]); // captured as a prefix
    out.put(bytes, 0, captured);
    events.accept(view.wrap(ring, 24));
  }

  private void exchange(long cookie, long at) {
    event(Layout.EVENT_SENT, cookie, at, at + 10, REQUEST);
    event(Layout.EVENT_RECEIVED, cookie, at + 500, at + 600, RESPONSE);
  }

  private ClientSpans.Account begin(int call) {
    assertThat(calls.get(call).accountBegin()).isInstanceOf(ClientSpans.Account.class);
    return (ClientSpans.Account) requireNonNull(calls.get(call).accountBegin());
  }

  @Test
  void anHttpExchange() {
    exchange(77, 1000);
    assertThat(calls).hasSize(1);
    ClientCall call = calls.get(0);
    assertThat(call.details())
        .isEqualTo(new ClientCall.Http("GET", "/a", false, "h", "1.1", 200, null));
    assertThat(call.connection().localAddress()).isEqualTo("10.0.0.1");
    assertThat(call.connection().localPort()).isEqualTo(40001);
    assertThat(call.connection().remoteAddress()).isEqualTo("10.0.0.2");
    assertThat(call.connection().remotePort()).isEqualTo(8080);
    assertThat(call.connection().connectStartNs()).isEqualTo(500);
    assertThat(call.connection().connectedNs()).isEqualTo(700);
    assertThat(call.connection().joinedMidway()).isFalse();
    assertThat(call.firstOnConnection()).isTrue();
    assertThat(call.startNs()).as("the first segment's departure").isEqualTo(1000);
    assertThat(call.firstByteNs()).as("its arrival").isEqualTo(1500);
    assertThat(call.endNs()).as("the read").isEqualTo(1600);
    assertThat(call.parent()).isEqualTo(new TraceHead(1, 2, 3, 1));
    assertThat(call.bytesOut()).isEqualTo(REQUEST.length());
    assertThat(call.bytesIn()).isEqualTo(RESPONSE.length());
    assertThat(call.rttMicrosEnd()).isEqualTo(16);
    assertThat(call.retransmitsBegin()).isEqualTo(2);
    assertThat(call.complete()).isTrue();
    // The first call's account is not that of the record that came later in the same buffer.
    assertThat(begin(0).atNs()).isEqualTo(1010);
    assertThat(begin(0).ns()).startsWith(101_000, 101_001).hasSize(12);
    assertThat(begin(0).thread()).isEqualTo(12);
  }

  @Test
  void connectionsAreKeptApartByCookie() {
    event(Layout.EVENT_SENT, 1, 1000, 1010, REQUEST);
    event(Layout.EVENT_SENT, 2, 1100, 1110, REQUEST.replace("/a", "/b"));
    event(Layout.EVENT_RECEIVED, 2, 1200, 1210, RESPONSE.replace("200 OK", "404 No"));
    event(Layout.EVENT_RECEIVED, 1, 1300, 1310, RESPONSE);
    assertThat(calls)
        .extracting(call -> ((ClientCall.Http) call.details()).statusCode())
        .containsExactly(404, 200);
    assertThat(calls).extracting(ClientCall::startNs).containsExactly(1100L, 1000L);
  }

  @Test
  void whatIsInFlightOnAConnectionThatGivesWayIsCounted() {
    int most = 16_384;
    event(Layout.EVENT_SENT, 1, 1000, 1010, REQUEST);
    for (int cookie = 2; cookie <= most; cookie++) {
      exchange(cookie, 2000);
    }
    assertThat(counters.callsDropped.sum()).isZero();
    exchange(most + 1, 3000);
    assertThat(counters.callsDropped.sum()).isEqualTo(1);
    assertThat(calls).hasSize(most);
    // If it is open still, its next call is told.
    event(Layout.EVENT_RECEIVED, 1, 3100, 3200, RESPONSE);
    exchange(1, 4000);
    assertThat(calls).hasSize(most + 1);
    assertThat(calls.get(most).startNs()).isEqualTo(4000);
  }

  @Test
  void aBodyLongerThanWhatWasCaptured() {
    event(Layout.EVENT_SENT, 1, 1000, 1010, REQUEST);
    String body = "x".repeat(1000);
    event(
        Layout.EVENT_RECEIVED,
        1,
        1500,
        1600,
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + body);
    exchange(1, 3000);
    assertThat(calls).hasSize(2);
    assertThat(calls.get(0).bytesIn()).isGreaterThan(1000);
    assertThat(calls.get(1).startNs()).isEqualTo(3000);
  }

  @Test
  void serversAreLeftToTheHandlers() {
    role = Layout.ROLE_SERVER;
    exchange(1, 1000);
    assertThat(calls).isEmpty();
  }

  @Test
  void openBeforeUs() {
    role = Layout.ROLE_UNKNOWN;
    exchange(1, 1000);
    assertThat(calls).hasSize(1);
    assertThat(calls.get(0).firstOnConnection()).isFalse();
    // A conversation in which we answer is no call of ours.
    for (int round = 0; round < 5; round++) {
      event(Layout.EVENT_RECEIVED, 2, 2000 + round, 2010 + round, REQUEST);
      event(Layout.EVENT_SENT, 2, 2100 + round, 2110 + round, RESPONSE);
    }
    assertThat(calls).hasSize(1);
  }

  @Test
  void openBeforeUsInTheMiddleOfACall() {
    role = Layout.ROLE_UNKNOWN;
    // The answer to a question that was asked before we looked must not cost the calls after it.
    event(Layout.EVENT_RECEIVED, 1, 1000, 1010, RESPONSE);
    exchange(1, 3000);
    assertThat(calls).extracting(ClientCall::startNs).containsExactly(3000L);
  }

  /** Bytes of which there is no event. */
  private void unseen(int type, long cookie, int bytes) {
    moved.computeIfAbsent(cookie, key -> new long[2])[type == Layout.EVENT_SENT ? 1 : 0] += bytes;
  }

  @Test
  void aLostAnswerDoesNotShiftTheCallsAfterIt() {
    event(Layout.EVENT_SENT, 1, 1000, 1010, REQUEST);
    unseen(Layout.EVENT_RECEIVED, 1, RESPONSE.length());
    // Nor is it taken for the next one, whose loss would go unnoticed but for its position.
    event(Layout.EVENT_SENT, 1, 2000, 2010, REQUEST);
    event(Layout.EVENT_RECEIVED, 1, 2400, 2500, RESPONSE);
    exchange(1, 3000);
    assertThat(calls).extracting(ClientCall::startNs).containsExactly(3000L);
    assertThat(counters.callsDropped.sum()).isEqualTo(2);
  }

  @Test
  void aLostQuestionIsNoneOfTheCallsAfterIt() {
    exchange(1, 1000);
    unseen(Layout.EVENT_SENT, 1, REQUEST.length());
    event(Layout.EVENT_RECEIVED, 1, 2400, 2500, RESPONSE);
    exchange(1, 3000);
    assertThat(calls).extracting(ClientCall::startNs).containsExactly(1000L, 3000L);
  }

  @Test
  void whatOneConnectionLosesIsNotMissedOnAnother() {
    event(Layout.EVENT_SENT, 2, 900, 910, REQUEST);
    event(Layout.EVENT_SENT, 1, 1000, 1010, REQUEST);
    unseen(Layout.EVENT_RECEIVED, 1, RESPONSE.length());
    event(Layout.EVENT_SENT, 1, 2000, 2010, REQUEST);
    events.onLoss();
    event(Layout.EVENT_RECEIVED, 2, 2400, 2500, RESPONSE);
    assertThat(calls).extracting(ClientCall::startNs).containsExactly(900L);
  }

  @Test
  void anAnswerThatCameWithinAGapIsNotWaitedFor() {
    event(Layout.EVENT_SENT, 1, 1000, 1010, REQUEST);
    events.onGap(); // with the answer in it; whoever counts now begins anew
    moved.clear();
    exchange(1, 3000);
    assertThat(calls).extracting(ClientCall::startNs).containsExactly(3000L);
  }

  @Test
  void aConnectionThatIsKnownAgainGoesOnAtItsPositions() {
    unseen(Layout.EVENT_SENT, 1, 10_000); // it had given way to others
    unseen(Layout.EVENT_RECEIVED, 1, 20_000);
    exchange(1, 1000);
    assertThat(calls).extracting(ClientCall::startNs).containsExactly(1000L);
  }

  @Test
  void closedInTheMiddle() {
    event(Layout.EVENT_SENT, 1, 1000, 1010, REQUEST);
    event(Layout.EVENT_CLOSED, 1, 0, 5000, "");
    assertThat(calls).hasSize(1);
    assertThat(calls.get(0).errorType()).isEqualTo(ClientCall.CONNECTION_CLOSED);
    assertThat(calls.get(0).endNs()).isEqualTo(5000);
    event(Layout.EVENT_CLOSED, 1, 0, 6000, "");
    assertThat(calls).hasSize(1);
  }

  @Test
  void accountsOfNoSpanOrNoThread() {
    exchange(1, 1000);
    head = false;
    exchange(1, 2000);
    assertThat(calls.get(1).parent()).isNull();
    assertThat(begin(1).thread()).isZero();
    head = true;
    thread = 0;
    exchange(1, 3000);
    assertThat(begin(2).thread()).isZero();
  }
}
