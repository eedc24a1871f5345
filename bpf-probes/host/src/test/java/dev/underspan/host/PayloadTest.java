package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import java.io.ByteArrayOutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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

  private record Kept(
      int type,
      int total,
      byte[] payload,
      byte[] tail,
      boolean framed,
      int left,
      int keep,
      byte[] head) {}

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

  private interface Work {
    void run(SocketChannel client, SocketChannel server) throws Exception;
  }

  /** The events of the client's side. */
  private static List<Kept> events(Work work) throws Exception {
    List<Kept> kept = new ArrayList<>();
    Map<Integer, Long> ends = new HashMap<>();
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
                    TestProbes.assertFollows(ends, event);
                    byte[] payload = new byte[event.captured()];
                    event.payload(payload);
                    byte[] begun = new byte[9];
                    int came = event.frameHead(begun);
                    byte[] head = Arrays.copyOf(begun, came);
                    kept.add(
                        new Kept(
                            event.type(),
                            event.total(),
                            payload,
                            event.tail(),
                            event.isFramed(),
                            event.frameLeft(),
                            event.frameKeep(),
                            head));
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

  /** Frames, and of each byte whether it is to be captured. */
  private static final class Frames {
    final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    final BitSet kept = new BitSet();
    final BitSet heads = new BitSet();

    void add(byte[] some, int most) {
      kept.set(bytes.size(), bytes.size() + Math.min(most, some.length));
      bytes.writeBytes(some);
    }

    void frame(int type, byte[] payload) {
      heads.set(bytes.size());
      int n = payload.length;
      byte[] head = {(byte) (n >> 16), (byte) (n >> 8), (byte) n, (byte) type, 0, 0, 0, 0, 1};
      add(head, head.length);
      add(payload, type == 0 ? Layout.HTTP2_DATA_KEPT : n);
    }

    /** Events must hold what is to be kept of the bytes, and say where these stand. */
    void assertKept(List<Kept> events) {
      byte[] all = bytes.toByteArray();
      int at = 0;
      for (Kept event : events) {
        byte[] expected = new byte[event.total()];
        int n = 0;
        for (int i = at; i < at + event.total(); i++) {
          if (kept.get(i)) {
            expected[n++] = all[i];
          }
        }
        assertThat(event.payload()).isEqualTo(Arrays.copyOf(expected, n));
        int head = Math.max(heads.previousSetBit(at), 0);
        int next = heads.nextSetBit(at);
        boolean within = at >= head + 9 || at < Layout.HTTP2_PREFACE;
        int left = within && next != at ? (next < 0 ? all.length : next) - at : 0;
        assertThat(event.left()).as("at %d", at).isEqualTo(left);
        assertThat(event.keep()).isEqualTo(kept.get(at, at + left).cardinality());
        assertThat(event.head())
            .isEqualTo(within ? new byte[0] : Arrays.copyOfRange(all, head, at));
        assertThat(event.tail()).isEmpty();
        at += event.total();
      }
      assertThat(at).isEqualTo(all.length);
    }
  }

  private Frames frames(boolean client) {
    Frames frames = new Frames();
    if (client) {
      frames.add(HTTP2, HTTP2.length);
    }
    frames.frame(4, bytes(18));
    for (int i = 0; i < 60; i++) {
      frames.frame(1, bytes(random.nextInt(200)));
      frames.frame(9, bytes(i % 20 == 0 ? 5000 : 0));
      frames.frame(0, bytes(i % 3 == 0 ? random.nextInt(8) : 1000));
      if (i % 15 == 0) {
        frames.frame(0, bytes(16_384));
        frames.frame(0, bytes(100_000));
      }
    }
    for (int i = 0; i < 4; i++) {
      frames.frame(1, bytes(16_384)); // more than has room in one record
    }
    return frames;
  }

  @Test
  void ofHttp2TheFramesAreFollowed() throws Exception {
    for (int each : new int[] {11, 1000, 70_001, 1_000_000}) {
      Frames sent = frames(true);
      Frames answer = frames(false);
      List<Kept> events =
          events(
              (client, server) -> {
                Thread reader =
                    new Thread(
                        () -> {
                          try {
                            ByteBuffer all = ByteBuffer.allocate(sent.bytes.size());
                            while (all.hasRemaining()) {
                              server.read(all);
                            }
                            writeAll(server, cut(answer.bytes.toByteArray(), each));
                          } catch (Exception e) {
                            throw new AssertionError(e);
                          }
                        });
                reader.start();
                writeAll(client, cut(sent.bytes.toByteArray(), each));
                ByteBuffer all = ByteBuffer.allocateDirect(answer.bytes.size());
                while (all.hasRemaining()) {
                  all.limit(Math.min(all.capacity(), all.position() + Math.max(each, 997)));
                  client.read(all);
                  all.limit(all.capacity());
                }
                reader.join();
              });
      sent.assertKept(events.stream().filter(e -> e.type() == Layout.EVENT_SENT).toList());
      answer.assertKept(events.stream().filter(e -> e.type() == Layout.EVENT_RECEIVED).toList());
    }
  }

  /** What is no frame ends the following, and the rest is captured as of any other protocol. */
  @Test
  void whatIsNoFrameIsNotFollowed() throws Exception {
    byte[] sent = new byte[9 + HTTP2.length];
    System.arraycopy(HTTP2, 0, sent, 0, HTTP2.length);
    sent[HTTP2.length] = 0x7f;
    byte[] more = bytes(20_000);
    List<Kept> events =
        events(
            (client, server) -> {
              writeAll(client, cut(sent, sent.length));
              writeAll(client, cut(more, more.length));
            });
    assertThat(events.get(0).framed()).isTrue();
    assertThat(events.get(1).framed()).isFalse();
    assertPrefix(events.subList(1, events.size()), more, Layout.PAYLOAD_LARGE);
  }

  @Test
  void ofOneLargeBufferTheEndIsKeptToo() throws Exception {
    byte[] sent = bytes(30_011);
    ByteBuffer buffer = ByteBuffer.allocateDirect(sent.length).put(sent).flip();
    List<Kept> events =
        events((client, server) -> assertThat(client.write(buffer)).isEqualTo(sent.length));
    assertPrefix(events, sent, Layout.PAYLOAD_LARGE);
    assertThat(events.get(0).tail())
        .isEqualTo(Arrays.copyOfRange(sent, sent.length - Layout.TAIL_BYTES, sent.length));
  }
}
