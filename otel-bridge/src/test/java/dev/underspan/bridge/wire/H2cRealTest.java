package dev.underspan.bridge.wire;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpServerUpgradeHandler;
import io.netty.handler.codec.http2.CleartextHttp2ServerUpgradeHandler;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2FrameCodec;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2ServerUpgradeCodec;
import io.netty.handler.codec.http2.Http2StreamFrame;
import io.netty.util.AsciiString;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What really passes between the JDK's HTTP client and a server of HTTP/2 in the clear. */
class H2cRealTest {

  /** Answers /id/status/size with that status and so many bytes. */
  private static final class Answers extends SimpleChannelInboundHandler<Http2StreamFrame> {
    private String path = "";

    @Override
    @SuppressWarnings("FutureReturnValueIgnored")
    protected void channelRead0(ChannelHandlerContext ctx, Http2StreamFrame frame) {
      boolean end = false;
      if (frame instanceof Http2HeadersFrame headers) {
        path = headers.headers().path().toString();
        end = headers.isEndStream();
      } else if (frame instanceof Http2DataFrame data) {
        end = data.isEndStream();
      }
      if (!end) {
        return;
      }
      String[] parts = path.replace("?q", "").split("/", -1);
      int size = Integer.parseInt(parts[3]);
      DefaultHttp2Headers head = new DefaultHttp2Headers();
      head.status(new AsciiString(parts[2])).setInt("content-length", size);
      head.set("x-server", "test");
      ctx.write(new DefaultHttp2HeadersFrame(head, size == 0));
      if (size > 0) {
        ctx.write(new DefaultHttp2DataFrame(Unpooled.wrappedBuffer(new byte[size]), true));
      }
      ctx.flush();
    }
  }

  private static final class Connections extends ChannelInitializer<SocketChannel> {
    @Override
    protected void initChannel(SocketChannel channel) {
      Http2FrameCodec codec = Http2FrameCodecBuilder.forServer().build();
      Http2MultiplexHandler streams =
          new Http2MultiplexHandler(
              new ChannelInitializer<Channel>() {
                @Override
                protected void initChannel(Channel stream) {
                  stream.pipeline().addLast(new Answers());
                }
              });
      HttpServerCodec http1 = new HttpServerCodec();
      HttpServerUpgradeHandler upgrade =
          new HttpServerUpgradeHandler(
              http1, protocol -> new Http2ServerUpgradeCodec(codec, streams), 100_000);
      channel
          .pipeline()
          .addLast(
              new CleartextHttp2ServerUpgradeHandler(
                  http1,
                  upgrade,
                  new ChannelInitializer<Channel>() {
                    @Override
                    protected void initChannel(Channel known) {
                      known.pipeline().addLast(codec, streams);
                    }
                  }));
    }
  }

  private static String line(String method, String target, int status) {
    return method + " " + target + " " + status;
  }

  private static HttpRequest request(int port, int i, int size) {
    int status = i % 5 == 0 ? 404 : 200;
    URI uri = URI.create("http://localhost:" + port + "/" + i + "/" + status + "/" + size + "?q");
    HttpRequest.Builder request = HttpRequest.newBuilder(uri).timeout(Duration.ofSeconds(10));
    return i % 3 == 0
        ? request.POST(HttpRequest.BodyPublishers.ofByteArray(new byte[i * 10])).build()
        : request.build();
  }

  private static Feed replay(List<RecordingProxy.Piece> pieces, int capture) {
    Feed feed = Feed.fresh().capture(capture, 16);
    for (RecordingProxy.Piece piece : pieces) {
      if (piece.sent()) {
        feed.out(piece.bytes());
      } else {
        feed.in(piece.bytes());
      }
    }
    return feed;
  }

  private static Map<String, Long> lines(Feed feed) {
    Map<String, Long> lines = new TreeMap<>();
    for (ClientCall call : feed.calls) {
      ClientCall.Http http = Feed.http(call);
      assertThat(http.version()).isEqualTo("2");
      lines.merge(line(http.method(), http.target(), http.statusCode()), 1L, Long::sum);
    }
    return lines;
  }

  @Test
  void everyCallIsAsTheClientMadeIt() throws Exception {
    MultiThreadIoEventLoopGroup loop =
        new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    Channel server = null;
    try {
      server =
          new ServerBootstrap()
              .group(loop)
              .channel(NioServerSocketChannel.class)
              .option(ChannelOption.SO_BACKLOG, 50)
              .childHandler(new Connections())
              .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
              .sync()
              .channel();
      int port = ((InetSocketAddress) server.localAddress()).getPort();
      try (RecordingProxy proxy = new RecordingProxy(port)) {
        check(proxy);
      }
    } finally {
      stop(loop, server);
    }
  }

  private static void stop(MultiThreadIoEventLoopGroup loop, @Nullable Channel server)
      throws InterruptedException {
    if (server != null) {
      server.close().sync();
    }
    loop.shutdownGracefully(0, 1, TimeUnit.SECONDS).sync();
  }

  private static void check(RecordingProxy proxy) throws Exception {
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build();
    Map<String, Long> expected = new TreeMap<>();
    for (int i = 0; i < 60; i++) {
      HttpRequest request = request(proxy.port(), i, i % 10 == 9 ? 70_000 : i);
      HttpResponse<byte[]> answer = client.send(request, HttpResponse.BodyHandlers.ofByteArray());
      assertThat(answer.version()).isEqualTo(HttpClient.Version.HTTP_2);
      String target = request.uri().getRawPath() + "?q";
      expected.merge(line(request.method(), target, answer.statusCode()), 1L, Long::sum);
    }
    List<CompletableFuture<HttpResponse<byte[]>>> many = new ArrayList<>();
    for (int i = 60; i < 100; i++) {
      many.add(
          client.sendAsync(request(proxy.port(), i, 20), HttpResponse.BodyHandlers.ofByteArray()));
    }
    for (CompletableFuture<HttpResponse<byte[]>> one : many) {
      HttpResponse<byte[]> answer = one.get(10, TimeUnit.SECONDS);
      String target = answer.uri().getRawPath() + "?q";
      expected.merge(line(answer.request().method(), target, answer.statusCode()), 1L, Long::sum);
    }
    assertThat(proxy.connections()).hasSize(1);
    List<RecordingProxy.Piece> pieces = proxy.connections().get(0);

    Feed whole = replay(pieces, Feed.ALL);
    assertThat(lines(whole)).isEqualTo(expected);
    assertThat(whole.counters.parseErrors.sum()).isZero();
    assertThat(whole.counters.headersUnknown.sum()).isZero();
    assertThat(whole.counters.upgraded.sum()).isZero();

    Feed captured = replay(pieces, 8192).close();
    assertThat(captured.calls.size() + captured.counters.callsDropped.sum()).isEqualTo(100);
    lines(captured)
        .forEach(
            (line, n) -> {
              if (!line.contains("  ") && !line.endsWith(" 0")) {
                assertThat(expected).containsEntry(line, n);
              }
            });
    assertThat(captured.calls).hasSizeGreaterThan(50);
  }
}
