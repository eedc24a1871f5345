package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** How much is kept of what a call moved, in one buffer or in several. */
@NullUnmarked
@SuppressWarnings("ArrayRecordComponent") // never compared
class PayloadTest {
  private static final byte[] HTTP2 =
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

  private static KernelProbes probes;
  private final Random random = new Random(1);

  private record Kept(int type, int total, byte[] payload, byte[] tail) {}

  @BeforeAll
  static void open() throws Exception {
    probes = TestProbes.open();
  }

  @AfterAll
  static void close() {
    if (probes != null) {
      probes.close();
    }
  }

  private interface Work {
    void run(SocketChannel client, SocketChannel server) throws Exception;
  }

  /** The events of the client's side. */
  private static List<Kept> events(Work work) throws Exception {
    List<Kept> kept = new ArrayList<>();
    try (ServerSocketChannel listener = ServerSocketChannel.open()) {
      listener.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
      try (SocketChannel client = SocketChannel.open(listener.getLocalAddress());
          SocketChannel server = listener.accept()) {
        int port = client.socket().getLocalPort();
        work.run(client, server);
        probes
            .events()
            .drain(
                event -> {
                  if (event.localPort() == port) {
                    byte[] payload = new byte[event.captured()];
                    event.payload(payload);
                    kept.add(new Kept(event.type(), event.total(), payload, event.tail()));
                  }
                });
      }
    }
    return kept;
  }

  private byte[] bytes(int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }

  /** Some of no length. */
  private static ByteBuffer[] cut(byte[] bytes, int length) {
    List<ByteBuffer> buffers = new ArrayList<>();
    for (int at = 0; at < bytes.length; at += length) {
      ByteBuffer buffer = ByteBuffer.allocateDirect(Math.min(length, bytes.length - at));
      buffer.put(bytes, at, buffer.capacity()).flip();
      buffers.add(ByteBuffer.allocateDirect(0));
      buffers.add(buffer);
    }
    return buffers.toArray(new ByteBuffer[0]);
  }

  /** What was sent by calls of several buffers each, as a whole and as it was kept. */
  private static void assertPrefix(List<Kept> events, byte[] sent, int most) {
    int at = 0;
    for (Kept event : events) {
      assertThat(event.type()).isEqualTo(Layout.EVENT_SENT);
      assertThat(event.payload()).hasSize(Math.min(event.total(), most));
      assertThat(event.payload())
          .isEqualTo(Arrays.copyOfRange(sent, at, at + event.payload.length));
      at += event.total();
    }
    assertThat(at).isEqualTo(sent.length);
  }

  private static void writeAll(SocketChannel channel, ByteBuffer[] buffers) throws Exception {
    long left = Arrays.stream(buffers).mapToLong(ByteBuffer::remaining).sum();
    while (left > 0) {
      left -= channel.write(buffers);
    }
  }

  @Test
  void severalBuffersAreOnePayload() throws Exception {
    for (int each : new int[] {7, 100, 3000, 5000}) {
      byte[] sent = bytes(7919);
      List<Kept> events = events((client, server) -> writeAll(client, cut(sent, each)));
      assertPrefix(events, sent, Layout.PAYLOAD_LARGE);
      // The JDK hands over at most 1024 buffers a call.
      assertThat(events).hasSizeLessThanOrEqualTo(3);
    }
  }

  @Test
  void ofManyBytesAPrefixIsKept() throws Exception {
    byte[] sent = bytes(40_009);
    assertPrefix(
        events((client, server) -> writeAll(client, cut(sent, 1000))), sent, Layout.PAYLOAD_LARGE);
    List<Kept> one = events((client, server) -> writeAll(client, cut(sent, sent.length)));
    assertPrefix(one, sent, Layout.PAYLOAD_LARGE);
  }

  @Test
  void ofHttp2MoreIsKept() throws Exception {
    byte[] sent = bytes(40_009);
    byte[] answer = bytes(20_011);
    System.arraycopy(HTTP2, 0, sent, 0, HTTP2.length);
    List<Kept> events =
        events(
            (client, server) -> {
              writeAll(client, cut(sent, 1000));
              ByteBuffer buffer = ByteBuffer.allocateDirect(answer.length);
              server.write(buffer.put(answer).flip());
              buffer.clear();
              while (buffer.hasRemaining()) {
                client.read(buffer);
              }
            });
    List<Kept> received =
        events.stream().filter(event -> event.type() == Layout.EVENT_RECEIVED).toList();
    assertPrefix(events.subList(0, events.size() - received.size()), sent, Layout.PAYLOAD_WIDE);
    int at = 0;
    for (Kept event : received) {
      assertThat(event.payload()).isEqualTo(Arrays.copyOfRange(answer, at, at + event.total()));
      at += event.total();
    }
    assertThat(at).isEqualTo(answer.length);
  }

  @Test
  void ofOneLargeBufferTheEndIsKeptToo() throws Exception {
    for (boolean http2 : new boolean[] {false, true}) {
      byte[] sent = bytes(30_011);
      if (http2) {
        System.arraycopy(HTTP2, 0, sent, 0, HTTP2.length);
      }
      ByteBuffer buffer = ByteBuffer.allocateDirect(sent.length).put(sent).flip();
      List<Kept> events =
          events((client, server) -> assertThat(client.write(buffer)).isEqualTo(sent.length));
      assertPrefix(events, sent, http2 ? Layout.PAYLOAD_WIDE : Layout.PAYLOAD_LARGE);
      assertThat(events.get(0).tail())
          .isEqualTo(Arrays.copyOfRange(sent, sent.length - Layout.TAIL_BYTES, sent.length));
    }
  }
}
