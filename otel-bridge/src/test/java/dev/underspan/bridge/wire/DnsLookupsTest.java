package dev.underspan.bridge.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class DnsLookupsTest {
  private static final byte[] NAME = Feed.bytes("\4shop\7example\0");
  static final byte[] QUESTION =
      Feed.join(Feed.hex("beef 0100 0001 0000 0000 0001"), NAME, Feed.hex("0001 0001 00 0029"));

  /** An alias and two addresses, each by reference to the name. */
  static final byte[] ANSWER =
      Feed.join(
          Feed.hex("beef 8180 0001 0003 0000 0000"),
          NAME,
          Feed.hex("0001 0001"),
          Feed.hex("c00c 0005 0001 00000e10 0004 01 61 c00c"),
          Feed.hex("c02a 0001 0001 00000e10 0004 0a000001"),
          Feed.hex("c02a 001c 0001 00000e10 0010 20010db8000000000000000000000001"));

  private static final ConnectionInfo SERVER =
      new ConnectionInfo("10.0.0.1", 40_000, "10.0.0.53", 53, true, false, 0, 0);
  private static final TraceHead HEAD = new TraceHead(1, 2, 3, 1);

  private final List<ClientCall> calls = new ArrayList<>();
  private final WireCounters counters = new WireCounters();
  private final DnsLookups lookups = new DnsLookups(calls::add, counters);

  private void told(long socket, boolean sent, byte[] bytes, long atNs, @Nullable TraceHead head) {
    Chunk chunk = new Chunk();
    chunk.direction = sent ? Direction.SENT : Direction.RECEIVED;
    chunk.timeNs = atNs;
    chunk.arrivalNs = sent ? 0 : atNs - 100;
    chunk.data = bytes;
    chunk.length = bytes.length;
    chunk.totalLength = bytes.length;
    chunk.head = head;
    lookups.onDatagram(socket, SERVER, chunk);
  }

  private static byte[] with(byte[] message, int at, int value) {
    byte[] other = message.clone();
    other[at] = (byte) value;
    return other;
  }

  private static ClientCall.Lookup details(ClientCall call) {
    return (ClientCall.Lookup) call.details();
  }

  @Test
  void questionAndAnswer() {
    told(1, true, QUESTION, 1000, HEAD);
    told(1, false, ANSWER, 3000, HEAD);
    assertThat(calls).hasSize(1);
    ClientCall call = calls.get(0);
    assertThat(details(call).name()).isEqualTo("shop.example");
    assertThat(details(call).type()).isEqualTo("A");
    assertThat(details(call).addresses()).containsExactly("10.0.0.1", "2001:db8:0:0:0:0:0:1");
    assertThat(call.startNs()).isEqualTo(1000);
    assertThat(call.firstByteNs()).isEqualTo(2900);
    assertThat(call.endNs()).isEqualTo(3000);
    assertThat(call.parent()).isEqualTo(HEAD);
    assertThat(call.errorType()).isNull();
    assertThat(call.bytesOut()).isEqualTo(QUESTION.length);
    assertThat(call.bytesIn()).isEqualTo(ANSWER.length);
    told(1, false, ANSWER, 4000, HEAD);
    assertThat(calls).as("a second answer").hasSize(1);
  }

  /** As a resolver does that wants both kinds of address: one socket, two at once. */
  @Test
  void bothAtOnceInAnyOrder() {
    byte[] other = with(with(QUESTION, 1, 0xee), 27, 28);
    told(1, true, QUESTION, 1000, HEAD);
    told(1, true, other, 1001, HEAD);
    told(1, false, with(with(with(ANSWER, 1, 0xee), 27, 28), 3, 0x83), 2000, HEAD);
    told(1, false, ANSWER, 3000, HEAD);
    assertThat(calls).extracting(call -> details(call).type()).containsExactly("AAAA", "A");
    assertThat(calls).extracting(ClientCall::errorType).containsExactly("NXDOMAIN", null);
    assertThat(calls).extracting(ClientCall::startNs).containsExactly(1001L, 1000L);
  }

  @Test
  void socketsAreKeptApart() {
    told(1, true, QUESTION, 1000, null);
    told(2, false, ANSWER, 2000, null);
    assertThat(calls).isEmpty();
    told(1, false, QUESTION, 2000, null);
    assertThat(calls).as("a question that comes back").isEmpty();
    told(1, false, ANSWER, 3000, null);
    assertThat(calls).hasSize(1);
  }

  @Test
  void askedAgain() {
    told(1, true, QUESTION, 1000, HEAD);
    told(1, true, QUESTION, 5000, HEAD); // on the same socket it is one lookup
    told(2, true, with(QUESTION, 0, 0x11), 9000, HEAD); // the next server
    assertThat(calls).hasSize(1);
    assertThat(calls.get(0).errorType()).isEqualTo("timeout");
    assertThat(calls.get(0).startNs()).isEqualTo(1000);
    assertThat(calls.get(0).endNs()).isEqualTo(9000);
    assertThat(calls.get(0).complete()).isFalse();
    told(2, false, with(ANSWER, 0, 0x11), 9500, HEAD);
    assertThat(calls).extracting(ClientCall::startNs).containsExactly(1000L, 9000L);
  }

  @Test
  void neverAnswered() {
    told(1, true, QUESTION, 1000, HEAD);
    lookups.poll(30_000_000_999L);
    assertThat(calls).isEmpty();
    lookups.poll(30_000_001_000L);
    assertThat(calls).extracting(ClientCall::errorType).containsExactly("timeout");
    for (int n = 0; n < 5000; n++) {
      told(n, true, QUESTION, 1000, null);
    }
    lookups.poll(Long.MAX_VALUE);
    assertThat(calls).hasSize(1 + 1024);
    assertThat(counters.callsDropped.sum()).isEqualTo(5000 - 1024);
  }

  @Test
  void cutAndMangled() {
    Random random = new Random(5);
    for (int n = 0; n < 20_000; n++) {
      byte[] from = random.nextBoolean() ? QUESTION : ANSWER;
      byte[] bytes = Arrays.copyOf(from, random.nextInt(from.length + 1));
      for (int i = random.nextInt(4); i > 0 && bytes.length > 0; i--) {
        bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
      }
      told(random.nextInt(3), random.nextBoolean(), bytes, n, null);
    }
    byte[] loop = with(QUESTION, 12, 0xc0); // a name that refers to itself
    told(1, true, loop, 1, null);
    assertThat(counters.parseErrors.sum()).isPositive();
  }
}
