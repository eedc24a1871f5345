package dev.underspan.bridge.wire;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.CallOptions;
import io.grpc.HandlerRegistry;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerMethodDefinition;
import io.grpc.Status;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What really passes between a gRPC client and server, as the capture would see it. */
class GrpcRealTest {
  private static final Metadata.Key<String> BIG =
      Metadata.Key.of("x-big", Metadata.ASCII_STRING_MARSHALLER);

  private @Nullable Server server;
  private @Nullable RecordingProxy proxy;
  private @Nullable ManagedChannel channel;

  /** What the client did: by method, its status. */
  private final Map<String, Status.Code> done = new TreeMap<>();

  private static final MethodDescriptor.Marshaller<byte[]> BYTES =
      new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(byte[] value) {
          return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        }
      };

  private static MethodDescriptor<byte[], byte[]> method(String name) {
    return MethodDescriptor.newBuilder(BYTES, BYTES)
        .setFullMethodName(name)
        .setType(MethodDescriptor.MethodType.BIDI_STREAMING)
        .build();
  }

  /** Answers every message with itself; fails at the end if the method's name says so. */
  private static final class Echo extends HandlerRegistry {
    @Override
    public ServerMethodDefinition<?, ?> lookupMethod(String name, @Nullable String authority) {
      ServerCallHandler<byte[], byte[]> handler =
          (call, headers) -> {
            Metadata answer = new Metadata();
            if (headers.containsKey(BIG)) {
              answer.put(BIG, headers.get(BIG));
            }
            int dash = name.indexOf('-');
            Status.Code code =
                dash < 0 ? Status.Code.OK : Status.Code.valueOf(name.substring(dash + 1));
            return new Answer(call, answer, code);
          };
      return ServerMethodDefinition.create(method(name), handler);
    }
  }

  private static final class Answer extends ServerCall.Listener<byte[]> {
    private final ServerCall<byte[], byte[]> call;
    private final Metadata headers;
    private final Status.Code code;
    private boolean headersSent;

    Answer(ServerCall<byte[], byte[]> call, Metadata headers, Status.Code code) {
      this.call = call;
      this.headers = headers;
      this.code = code;
      call.request(1000);
    }

    @Override
    public void onMessage(byte[] message) {
      if (code == Status.Code.OK || message.length > 3) {
        if (!headersSent) {
          headersSent = true;
          call.sendHeaders(headers);
        }
        call.sendMessage(message);
      }
    }

    @Override
    public void onHalfClose() {
      call.close(code.toStatus(), new Metadata());
    }
  }

  @BeforeEach
  void start() throws IOException {
    InetAddress loopback = InetAddress.getLoopbackAddress();
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress(loopback, 0))
            .fallbackHandlerRegistry(new Echo())
            .maxInboundMetadataSize(100_000)
            .maxInboundMessageSize(10_000_000)
            .build()
            .start();
    proxy = new RecordingProxy(server.getPort());
    channel =
        NettyChannelBuilder.forAddress(new InetSocketAddress(loopback, proxy.port()))
            .usePlaintext()
            .maxInboundMetadataSize(100_000)
            .maxInboundMessageSize(10_000_000)
            .build();
  }

  @AfterEach
  void stop() throws IOException, InterruptedException {
    if (channel != null) {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
    if (server != null) {
      server.shutdownNow();
    }
    if (proxy != null) {
      proxy.close();
    }
  }

  /** One call: sends messages, and waits for each answer in turn if asked to. */
  private final class Client extends io.grpc.ClientCall.Listener<byte[]> {
    final CountDownLatch closed = new CountDownLatch(1);
    final CountDownLatch answered;
    private final String method;
    private final io.grpc.ClientCall<byte[], byte[]> call;

    Client(String method, Metadata headers, int messages, byte[] message) {
      this.method = method;
      this.answered = new CountDownLatch(messages);
      call = channel().newCall(method(method), CallOptions.DEFAULT);
      call.start(this, headers);
      call.request(1000);
      for (int i = 0; i < messages; i++) {
        call.sendMessage(message);
      }
    }

    Client halfClose() {
      call.halfClose();
      return this;
    }

    @Override
    public void onMessage(byte[] message) {
      answered.countDown();
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      synchronized (done) {
        done.put(method, status.getCode());
      }
      closed.countDown();
    }

    void await() {
      await(closed);
    }

    void await(CountDownLatch latch) {
      try {
        assertThat(latch.await(10, TimeUnit.SECONDS)).as(method).isTrue();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }

  private ManagedChannel channel() {
    if (channel == null) {
      throw new IllegalStateException();
    }
    return channel;
  }

  private void unary(String method, int size) {
    new Client(method, new Metadata(), 1, new byte[size]).halfClose().await();
  }

  private static final int FRAMED = -1;

  private Feed replay(int capture) {
    Feed feed = Feed.fresh();
    if (capture == FRAMED) {
      feed.framed();
    } else {
      feed.capture(capture, 16);
    }
    if (proxy == null) {
      throw new IllegalStateException();
    }
    List<List<RecordingProxy.Piece>> connections = proxy.connections();
    assertThat(connections).hasSize(1);
    for (RecordingProxy.Piece piece : connections.get(0)) {
      if (piece.sent()) {
        feed.out(piece.bytes());
      } else {
        feed.in(piece.bytes());
      }
    }
    return feed;
  }

  private static Map<String, String> statuses(Feed feed) {
    Map<String, String> found = new TreeMap<>();
    for (ClientCall call : feed.calls) {
      var rpc = (ClientCall.Rpc) call.details();
      assertThat(
              found.put(rpc.service() + "/" + rpc.method(), rpc.status() + " " + call.errorType()))
          .as(rpc.method())
          .isNull();
    }
    return found;
  }

  /** As the client saw it. */
  private Map<String, String> expected() {
    Map<String, String> expected = new TreeMap<>();
    synchronized (done) {
      done.forEach(
          (method, code) ->
              expected.put(
                  method,
                  switch (code) {
                    case OK -> "OK null";
                    case CANCELLED -> "null CANCEL";
                    default -> code + " " + code;
                  }));
    }
    return expected;
  }

  private void assertExact(int capture) {
    Feed feed = replay(capture);
    assertThat(statuses(feed)).isEqualTo(expected());
    assertThat(feed.calls).hasSameSizeAs(expected().keySet());
    assertThat(feed.counters.parseErrors.sum()).isZero();
    assertThat(feed.counters.callsDropped.sum()).isZero();
    assertThat(feed.counters.headersUnknown.sum()).isZero();
  }

  @Test
  void unaryStreamsErrorsAndCancel() {
    for (int i = 0; i < 60; i++) {
      unary("shop.Cart/Add" + i, 20 + i);
    }
    for (String code : List.of("NOT_FOUND", "UNAVAILABLE", "INTERNAL", "PERMISSION_DENIED")) {
      unary("shop.Cart/Short-" + code, 3);
      unary("shop.Cart/Long-" + code, 300);
    }
    Client stream = new Client("shop.Feed/Both", new Metadata(), 50, new byte[100]);
    stream.await(stream.answered);
    unary("shop.Feed/Meanwhile", 10);
    stream.halfClose().await();
    Client cancelled = new Client("shop.Feed/Cancelled", new Metadata(), 2, new byte[10]);
    cancelled.await(cancelled.answered);
    cancelled.call.cancel("enough", null);
    cancelled.await();
    unary("shop.Cart/Last", 1);
    assertExact(Feed.ALL);
    assertExact(FRAMED);
    assertExact(8192);
    // The calls that follow a join midway are right or less than that, too.
    for (int skip = 1; skip < 40; skip++) {
      Feed feed = Feed.midway().capture(8192, 16);
      List<RecordingProxy.Piece> pieces = proxy == null ? List.of() : proxy.connections().get(0);
      for (RecordingProxy.Piece piece : pieces.subList(skip, pieces.size())) {
        if (piece.sent()) {
          feed.out(piece.bytes());
        } else {
          feed.in(piece.bytes());
        }
      }
      Map<String, String> truth = expected();
      for (ClientCall call : feed.calls) {
        if (call.details() instanceof ClientCall.Rpc rpc
            && rpc.method() != null
            && rpc.status() != null) {
          assertThat(truth)
              .containsEntry(
                  rpc.service() + "/" + rpc.method(), rpc.status() + " " + call.errorType());
        }
      }
      assertThat(feed.calls).hasSizeGreaterThan(40);
    }
  }

  @Test
  void largeMessages() {
    for (int i = 0; i < 5; i++) {
      unary("shop.Blob/Put" + i, 100_000 * (i + 1) + 17);
      unary("shop.Blob/Small" + i, 30);
    }
    assertExact(Feed.ALL);
    assertExact(FRAMED);
    assertNothingWrong(10);
  }

  @Test
  void largeMetadata() {
    for (int i = 0; i < 10; i++) {
      Metadata headers = new Metadata();
      headers.put(BIG, Integer.toString(i).repeat(3000 * i));
      new Client("shop.Meta/Call" + i, headers, 1, new byte[10]).halfClose().await();
    }
    assertExact(Feed.ALL);
    assertExact(FRAMED);
    assertNothingWrong(10);
  }

  @Test
  void manyAtOnce() {
    List<Client> calls = new ArrayList<>();
    for (int i = 0; i < 200; i++) {
      String method = "shop.Many/Call" + i + (i % 7 == 0 ? "-NOT_FOUND" : "");
      calls.add(new Client(method, new Metadata(), 1 + i % 3, new byte[i * 5]).halfClose());
    }
    calls.forEach(Client::await);
    unary("shop.Many/Last", 1);
    assertExact(Feed.ALL);
    assertExact(FRAMED);
    assertNothingWrong(201);
  }

  /** With what the capture leaves: nothing is wrong, and each call is reported or counted. */
  private void assertNothingWrong(int calls) {
    Feed feed = replay(8192);
    feed.now += 40_000_000_000L;
    // A frame that says nothing, long after.
    feed.in(Http2Bytes.frame(6, 0, 0, new byte[8])).in(Http2Bytes.frame(6, 0, 0, new byte[8]));
    feed.close();
    Map<String, String> truth = expected();
    for (ClientCall call : feed.calls) {
      if (call.details() instanceof ClientCall.Rpc rpc && rpc.method() != null) {
        String name = rpc.service() + "/" + rpc.method();
        assertThat(truth).containsKey(name);
        if (rpc.status() != null) {
          assertThat(truth).containsEntry(name, rpc.status() + " " + call.errorType());
        }
      }
    }
    assertThat(feed.calls.size() + feed.counters.callsDropped.sum()).isEqualTo(calls);
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }
}
