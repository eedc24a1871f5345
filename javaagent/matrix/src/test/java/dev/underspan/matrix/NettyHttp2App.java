package dev.underspan.matrix;

import com.sun.net.httpserver.HttpServer;
import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.handler.codec.http2.Http2StreamChannel;
import io.netty.handler.codec.http2.Http2StreamChannelBootstrap;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GenericFutureListener;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * An HTTP/1.1 server whose handlers wait for a plain Netty server that speaks HTTP/2 only, with a
 * channel a stream: /go/NAME asks for /NAME. /outerN waits for a timer and asks for /innerN;
 * /resetN closes the stream without an answer; /bigN has large bodies both ways. Two connections,
 * one for the outer ones, with so few streams at once that most wait until others have ended.
 */
@SuppressWarnings("FutureReturnValueIgnored") // the tests see what did not come
public final class NettyHttp2App {
  private static final int STREAMS = 10;
  private static final int BIG = 200_003;
  private static Channel first;
  private static Channel second;

  private NettyHttp2App() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    EventLoopGroup group = new MultiThreadIoEventLoopGroup(3, NioIoHandler.newFactory());
    Channel listening =
        new ServerBootstrap()
            .group(group)
            .channel(NioServerSocketChannel.class)
            .childHandler(
                handlers(
                    Http2FrameCodecBuilder.forServer()
                        .initialSettings(
                            Http2Settings.defaultSettings().maxConcurrentStreams(STREAMS)),
                    new Server()))
            .bind(InetAddress.getLoopbackAddress(), 0)
            .sync()
            .channel();
    Bootstrap client =
        new Bootstrap()
            .group(group)
            .channel(NioSocketChannel.class)
            .handler(
                handlers(
                    Http2FrameCodecBuilder.forClient().encoderEnforceMaxConcurrentStreams(true),
                    new ChannelInboundHandlerAdapter()));
    first = client.connect(listening.localAddress()).sync().channel();
    second = client.connect(listening.localAddress()).sync().channel();
    HttpServer front =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    ExecutorService executor = Executors.newFixedThreadPool(70);
    front.setExecutor(executor);
    front.createContext(
        "/go/",
        exchange -> {
          String name = exchange.getRequestURI().getPath().substring("/go".length());
          byte[] body = ask(first, name).join().getBytes(StandardCharsets.US_ASCII);
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    front.start();
    System.out.println("port " + front.getAddress().getPort());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    front.stop(0);
    executor.shutdown();
    group.shutdownGracefully(0, 5, TimeUnit.SECONDS).sync();
  }

  private static ChannelInitializer<Channel> handlers(
      Http2FrameCodecBuilder codec, ChannelHandler ofStreams) {
    return new ChannelInitializer<>() {
      @Override
      protected void initChannel(Channel channel) {
        channel.pipeline().addLast(codec.build(), new Http2MultiplexHandler(ofStreams));
      }
    };
  }

  private static CompletableFuture<String> ask(Channel connection, String path) {
    CompletableFuture<String> answer = new CompletableFuture<>();
    new Http2StreamChannelBootstrap(connection)
        .handler(new Client(answer))
        .open()
        .addListener(
            (GenericFutureListener<Future<Http2StreamChannel>>)
                opened -> request(opened.getNow(), path));
    return answer;
  }

  private static void request(Channel stream, String path) {
    boolean big = path.startsWith("/big");
    stream.writeAndFlush(
        new DefaultHttp2HeadersFrame(
            new DefaultHttp2Headers()
                .method(big ? "POST" : "GET")
                .scheme("http")
                .authority("localhost")
                .path(path),
            !big));
    if (big) {
      stream.writeAndFlush(new DefaultHttp2DataFrame(Unpooled.wrappedBuffer(new byte[BIG]), true));
    }
  }

  /** Answers once the request's head has come. */
  @ChannelHandler.Sharable
  private static final class Server extends ChannelInboundHandlerAdapter {
    @Override
    public void channelRead(ChannelHandlerContext context, Object frame) {
      if (frame instanceof Http2HeadersFrame head) {
        String path = head.headers().path().toString();
        if (path.startsWith("/reset")) {
          context.close();
        } else if (path.startsWith("/outer")) {
          context
              .executor()
              .schedule(
                  () ->
                      ask(second, path.replace("/outer", "/inner"))
                          .thenAccept(text -> answer(context, text)),
                  1,
                  TimeUnit.MILLISECONDS);
        } else {
          answer(context, path.startsWith("/big") ? path + "x".repeat(BIG) : path);
        }
      }
      ReferenceCountUtil.release(frame);
    }

    private static void answer(ChannelHandlerContext context, String text) {
      context.write(new DefaultHttp2HeadersFrame(new DefaultHttp2Headers().status("200")));
      context.writeAndFlush(
          new DefaultHttp2DataFrame(Unpooled.copiedBuffer(text, StandardCharsets.US_ASCII), true));
    }
  }

  private static final class Client extends ChannelInboundHandlerAdapter {
    private final CompletableFuture<String> answer;
    private final StringBuilder text = new StringBuilder();

    Client(CompletableFuture<String> answer) {
      this.answer = answer;
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object frame) {
      if (frame instanceof Http2DataFrame data) {
        text.append(data.content().toString(StandardCharsets.US_ASCII));
        if (data.isEndStream()) {
          answer.complete(text.toString());
        }
      }
      ReferenceCountUtil.release(frame);
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
      answer.complete("closed");
    }
  }
}
