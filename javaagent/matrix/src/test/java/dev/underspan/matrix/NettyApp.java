package dev.underspan.matrix;

import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpVersion;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * A plain Netty server that asks itself: /outer/N asks for /inner/N over one of its own client
 * connections, which are kept alive, once a timer of the event loop has run out. /close/N closes
 * the connection without an answer.
 */
@SuppressWarnings("FutureReturnValueIgnored") // the tests see what did not come
public final class NettyApp {
  private static final Queue<Channel> IDLE = new ConcurrentLinkedQueue<>();

  private NettyApp() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    EventLoopGroup group = new MultiThreadIoEventLoopGroup(3, NioIoHandler.newFactory());
    ServerBootstrap server =
        new ServerBootstrap()
            .group(group)
            .channel(NioServerSocketChannel.class)
            .childHandler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    channel
                        .pipeline()
                        .addLast(
                            new HttpServerCodec(), new HttpObjectAggregator(65_536), new Handler());
                  }
                });
    Channel listening = server.bind(InetAddress.getLoopbackAddress(), 0).sync().channel();
    System.out.println("port " + port(listening));
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    group.shutdownGracefully(0, 5, TimeUnit.SECONDS).sync();
  }

  private static int port(Channel channel) {
    return ((InetSocketAddress) channel.localAddress()).getPort();
  }

  private static FullHttpResponse answer(String text) {
    ByteBuf body = Unpooled.copiedBuffer(text, StandardCharsets.US_ASCII);
    FullHttpResponse answer =
        new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK, body);
    answer.headers().set(HttpHeaderNames.CONTENT_LENGTH, body.readableBytes());
    return answer;
  }

  private static final class Handler extends SimpleChannelInboundHandler<FullHttpRequest> {
    @Override
    protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) {
      String path = request.uri();
      if (path.startsWith("/close/")) {
        context.close();
      } else if (path.startsWith("/outer/")) {
        String inner = path.replace("/outer/", "/inner/");
        // Through a timer, and then over a connection of another event loop.
        context
            .executor()
            .schedule(
                () ->
                    ask(
                        port(context.channel()),
                        inner,
                        context.channel().eventLoop().parent(),
                        text -> context.writeAndFlush(answer(text))),
                1,
                TimeUnit.MILLISECONDS);
      } else {
        context.writeAndFlush(answer(path));
      }
    }
  }

  private static void ask(int port, String path, EventLoopGroup group, Consumer<String> then) {
    Channel idle = IDLE.poll();
    if (idle != null) {
      send(idle, path, then);
      return;
    }
    ChannelFuture connecting =
        new Bootstrap()
            .group(group)
            .channel(NioSocketChannel.class)
            .handler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    channel
                        .pipeline()
                        .addLast(
                            new HttpClientCodec(), new HttpObjectAggregator(65_536), new Answer());
                  }
                })
            .connect(InetAddress.getLoopbackAddress(), port);
    connecting.addListener((ChannelFutureListener) done -> send(done.channel(), path, then));
  }

  private static void send(Channel channel, String path, Consumer<String> then) {
    channel.pipeline().get(Answer.class).then = then;
    FullHttpRequest request =
        new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, path);
    request.headers().set(HttpHeaderNames.HOST, "localhost");
    channel.writeAndFlush(request);
  }

  private static final class Answer extends SimpleChannelInboundHandler<FullHttpResponse> {
    private volatile Consumer<String> then;

    @Override
    protected void channelRead0(ChannelHandlerContext context, FullHttpResponse answer) {
      String text = answer.content().toString(StandardCharsets.US_ASCII);
      Consumer<String> waiting = then;
      IDLE.add(context.channel());
      waiting.accept(text);
    }
  }
}
