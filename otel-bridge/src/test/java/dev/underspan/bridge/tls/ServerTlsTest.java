package dev.underspan.bridge.tls;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.TlsFacts;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Several connections with one client's port, as far as who asks can tell them apart. */
class ServerTlsTest {
  /** TLS_AES_128_GCM_SHA256 and TLS_AES_256_GCM_SHA384 (RFC 8446, B.4). */
  private static final int AES_128 = 0x1301;

  private static final int AES_256 = 0x1302;

  private int clientPort = 50_144;
  private final ServerTls tls = new ServerTls(null);
  private final ByteBuffer ring = ByteBuffer.allocateDirect(1024).order(ByteOrder.nativeOrder());
  private final SocketEvent view = new SocketEvent();

  private void event(int type, long cookie, int localPort, int client, long ns, byte... payload) {
    ByteBuffer out = ring.clear();
    out.put(new byte[ring.capacity()]);
    int header = Layout.SocketEvent.HEADER;
    int endpoint = Layout.SocketEvent.ENDPOINT;
    out.putShort(header + Layout.EventHeader.TYPE, (short) type);
    out.putShort(header + Layout.EventHeader.SIZE_CLASS, (short) 256);
    out.putLong(header + Layout.EventHeader.NS, ns);
    out.putLong(Layout.SocketEvent.COOKIE, cookie);
    out.putShort(endpoint + Layout.Endpoint.FAMILY, (short) 2);
    out.putShort(endpoint + Layout.Endpoint.LOCAL_PORT, (short) localPort);
    out.putShort(endpoint + Layout.Endpoint.REMOTE_PORT, (short) clientPort);
    out.putShort(endpoint + Layout.Endpoint.ROLE, (short) Layout.ROLE_SERVER);
    out.put(endpoint + Layout.Endpoint.REMOTE_ADDR, new byte[] {10, 0, 0, (byte) client});
    out.putInt(Layout.SocketEvent.TOTAL, payload.length);
    out.putInt(Layout.SocketEvent.CAPTURED, payload.length);
    out.put(Layout.SocketEvent.SIZE, payload);
    tls.onEvent(view.wrap(ring, 0), ServerTlsTest::read);
  }

  private static Chunk read(SocketEvent event) {
    Chunk chunk = new Chunk();
    chunk.direction = event.type() == Layout.EVENT_SENT ? Direction.SENT : Direction.RECEIVED;
    chunk.timeNs = event.ns();
    chunk.totalLength = event.total();
    chunk.length = event.captured();
    chunk.data = new byte[chunk.length];
    event.payload(chunk.data);
    return chunk;
  }

  /** A hello as RFC 8446, 4.1.2 and 4.1.3, have it, in its record. */
  private static byte[] hello(int type, byte[] rest) {
    ByteBuffer out = ByteBuffer.allocate(5 + 4 + 2 + 32 + 1 + rest.length);
    out.put((byte) 0x16).putShort((short) 0x303).putShort((short) (out.capacity() - 5));
    out.put((byte) type).put((byte) 0).putShort((short) (out.capacity() - 9));
    out.putShort((short) 0x303);
    for (int i = 0; i < 32; i++) {
      out.put((byte) (i + 1));
    }
    return out.put((byte) 0).put(rest).array();
  }

  private void handshake(long cookie, int localPort, int client, long ns, int cipher) {
    byte[] offer = {0, 2, 0x13, 1, 1, 0, 0, 0};
    event(Layout.EVENT_RECEIVED, cookie, localPort, client, ns, hello(1, offer));
    byte[] answer = {0x13, (byte) cipher, 0, 0, 6, 0, 43, 0, 2, 3, 4};
    event(Layout.EVENT_SENT, cookie, localPort, client, ns + 10, hello(2, answer));
  }

  private void close(long cookie, long ns) {
    // The kernel has taken the local port from the socket by then.
    event(Layout.EVENT_CLOSED, cookie, 0, 1, ns);
  }

  private static @Nullable String cipher(@Nullable TlsFacts facts) {
    return facts == null ? null : facts.cipher;
  }

  private @Nullable String ask(long cookie, int localPort, @Nullable String client, long ns) {
    return cipher(tls.facts(new ServerTls.Connection(cookie, localPort, clientPort, client, ns)));
  }

  @Test
  void theEndOfAnotherConnectionFromThatPortIsNotItsEnd() {
    handshake(1, 443, 1, 1000, AES_128);
    event(Layout.EVENT_RECEIVED, 2, 80, 1, 2000, (byte) 'G');
    close(2, 3000);
    assertThat(ask(0, 443, null, 4000)).isEqualTo("TLS_AES_128_GCM_SHA256");
    assertThat(ask(0, 0, null, 4000)).isEqualTo("TLS_AES_128_GCM_SHA256");
    close(1, 5000);
    assertThat(ask(0, 443, null, 4900)).isEqualTo("TLS_AES_128_GCM_SHA256");
    assertThat(ask(0, 443, null, 6000)).as("another one").isNull();
    assertThat(ask(1, 443, null, 4900)).isEqualTo("TLS_AES_128_GCM_SHA256");
  }

  @Test
  void toAnotherPortOrFromAnotherAddress() {
    handshake(1, 443, 1, 1000, AES_128);
    handshake(2, 8443, 1, 1100, AES_256);
    assertThat(ask(0, 443, null, 2000)).isEqualTo("TLS_AES_128_GCM_SHA256");
    assertThat(ask(0, 8443, null, 2000)).isEqualTo("TLS_AES_256_GCM_SHA384");
    assertThat(ask(0, 9443, null, 2000)).isNull();
    handshake(3, 443, 2, 1200, AES_256);
    assertThat(ask(0, 443, "10.0.0.1", 2000)).isEqualTo("TLS_AES_128_GCM_SHA256");
    assertThat(ask(0, 443, "10.0.0.2", 2000)).isEqualTo("TLS_AES_256_GCM_SHA384");
    assertThat(ask(1, 443, "198.51.100.7", 2000)).isEqualTo("TLS_AES_128_GCM_SHA256");
    assertThat(ask(3, 443, "198.51.100.7", 2000)).isEqualTo("TLS_AES_256_GCM_SHA384");
    assertThat(ask(4, 443, "10.0.0.1", 2000)).as("its handshake was not seen").isNull();
  }

  @Test
  void oneAfterTheOther() {
    handshake(1, 443, 1, 1000, AES_128);
    close(1, 2000);
    handshake(2, 443, 1, 3000, AES_256);
    assertThat(ask(0, 443, null, 3500)).isEqualTo("TLS_AES_256_GCM_SHA384");
    assertThat(ask(1, 443, null, 1500)).isEqualTo("TLS_AES_128_GCM_SHA256");
  }

  @Test
  void anotherHandshakeOfTheSameConnectionCounts() {
    handshake(1, 443, 1, 1000, AES_128);
    handshake(1, 443, 1, 2000, AES_256);
    assertThat(ask(1, 443, null, 2500)).isEqualTo("TLS_AES_256_GCM_SHA384");
    assertThat(ask(0, 443, null, 2500)).isEqualTo("TLS_AES_256_GCM_SHA384");
  }

  @Test
  void whatWasNotSeenIsAskedForOnceUntilTheConnectionIsClosed() {
    List<String> told = new ArrayList<>();
    ServerTls.Connection asked = new ServerTls.Connection(0, 443, clientPort, null, 1000);
    tls.tell(asked, facts -> told.add(String.valueOf(cipher(facts))));
    assertThat(told).as("until all events are read").isEmpty();
    tls.answer(tls.asked());
    assertThat(told).containsExactly("null");
    tls.tell(asked, facts -> told.add(String.valueOf(cipher(facts))));
    assertThat(told).as("at once").hasSize(2);
    close(1, 2000);
    ServerTls.Connection next = new ServerTls.Connection(0, 443, clientPort, null, 3000);
    tls.tell(next, facts -> told.add(String.valueOf(cipher(facts))));
    assertThat(told).hasSize(2);
    handshake(2, 443, 1, 2500, AES_128);
    tls.answer(tls.asked());
    assertThat(told).containsExactly("null", "null", "TLS_AES_128_GCM_SHA256");
  }

  @Test
  void memoryIsBounded() {
    for (int i = 1; i <= 20_000; i++) {
      clientPort = 10_000 + i;
      handshake(i, 443, 1, i * 100L, AES_128);
    }
    assertThat(ask(20_000, 443, null, 100)).isNotNull();
    clientPort = 10_001;
    assertThat(ask(1, 443, null, 100)).as("the eldest gives way").isNull();
    for (int i = 1; i <= 20_000; i++) {
      clientPort = 10_000 + i;
      close(i, 3_000_000);
    }
    assertThat(ask(20_000, 443, null, 100)).isNotNull();
    clientPort = 20_000;
    assertThat(ask(10_000, 443, null, 100)).isNull();
    clientPort = 9_999;
    for (int i = 1; i <= 1000; i++) {
      handshake(i, 443, i, 4_000_000 + i, AES_256);
    }
    assertThat(ask(1, 443, null, 5_000_000)).isNull();
    assertThat(ask(1000, 443, null, 5_000_000)).isNotNull();
  }
}
