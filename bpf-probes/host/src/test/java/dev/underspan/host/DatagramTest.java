package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ProtocolFamily;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.DatagramChannel;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Of datagrams those are told that are questions to a name server, and their answers. */
@NullUnmarked
@SuppressWarnings("ArrayRecordComponent") // never compared
class DatagramTest {
  /** A question for the address of a.b: id, flags, counts; name, type, class. */
  private static final byte[] QUESTION =
      HexFormat.of().parseHex("1234" + "0100" + "0001000000000000" + "01610162000001" + "0001");

  private static final byte[] ANSWER =
      HexFormat.of().parseHex("1234" + "8180" + "0001000000000000" + "01610162000001" + "0001");

  private static KernelProbes probes;

  private record Told(
      int type, long cookie, int remotePort, long ns, long beginNs, int total, byte[] payload) {}

  @BeforeAll
  static void open() throws Exception {
    TestProbes.needSockets();
    probes = TestProbes.open();
  }

  @AfterAll
  static void close() {
    if (probes != null) {
      probes.close();
    }
  }

  /** Sends and answers; the events of the client's side. */
  private static List<Told> exchange(
      ProtocolFamily family, byte[] question, byte[] answer, boolean connected) throws Exception {
    List<Told> told = new ArrayList<>();
    InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    try (DatagramChannel server = DatagramChannel.open().bind(any);
        DatagramChannel client = DatagramChannel.open(family).bind(any)) {
      InetSocketAddress address = (InetSocketAddress) server.getLocalAddress();
      int port = ((InetSocketAddress) client.getLocalAddress()).getPort();
      if (connected) {
        client.connect(address);
        client.write(ByteBuffer.wrap(question));
      } else {
        client.send(ByteBuffer.wrap(question), address);
      }
      ByteBuffer buffer = ByteBuffer.allocate(512);
      server.send(ByteBuffer.wrap(answer), server.receive(buffer));
      buffer.clear();
      if (connected) {
        client.read(buffer);
      } else {
        client.receive(buffer);
      }
      assertThat(buffer.position()).isEqualTo(answer.length);
      probes
          .events()
          .drain(
              event -> {
                if (event.localPort() == port) {
                  assertThat(event.role()).isEqualTo(Layout.ROLE_DATAGRAM);
                  byte[] payload = new byte[event.captured()];
                  event.payload(payload);
                  told.add(
                      new Told(
                          event.type(),
                          event.cookie(),
                          event.remotePort() == address.getPort()
                                  && event.remoteAddress().endsWith("127.0.0.1")
                              ? 1
                              : event.remotePort(),
                          event.ns(),
                          event.beginNs(),
                          event.total(),
                          payload));
                }
              });
    }
    return told;
  }

  private static void assertTold(List<Told> told, boolean connected) {
    assertThat(told).hasSize(2);
    Told sent = told.get(0);
    Told received = told.get(1);
    assertThat(sent.type()).isEqualTo(Layout.EVENT_SENT);
    assertThat(sent.payload()).isEqualTo(QUESTION);
    assertThat(sent.remotePort()).as("the server's").isEqualTo(1);
    assertThat(received.type()).isEqualTo(Layout.EVENT_RECEIVED);
    assertThat(received.payload()).isEqualTo(ANSWER);
    assertThat(received.remotePort()).isEqualTo(connected ? 1 : 0);
    assertThat(received.cookie()).isEqualTo(sent.cookie()).isNotZero();
    assertThat(received.beginNs()).as("the arrival").isBetween(sent.ns(), received.ns());
  }

  @ParameterizedTest
  @EnumSource(names = {"INET", "INET6"})
  void connectedOrNot(StandardProtocolFamily family) throws Exception {
    assertTold(exchange(family, QUESTION, ANSWER, true), true);
    assertTold(exchange(family, QUESTION, ANSWER, false), false);
  }

  @Test
  void whatElseGoesOverUdp() throws Exception {
    ProtocolFamily family = StandardProtocolFamily.INET;
    assertThat(exchange(family, new byte[500], new byte[500], true)).isEmpty();
    byte[] other = QUESTION.clone();
    other[5] = 2; // two questions
    assertThat(exchange(family, other, other, true)).isEmpty();
    assertThat(exchange(family, new byte[] {1}, new byte[] {2}, true)).isEmpty();
    byte[] update = QUESTION.clone();
    update[2] = 0x28;
    assertThat(exchange(family, update, update, false)).isEmpty();
  }
}
