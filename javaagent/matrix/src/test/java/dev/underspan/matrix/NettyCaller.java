package dev.underspan.matrix;

import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.handler.ssl.util.InsecureTrustManagerFactory;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Calls by Netty with TLS of BoringSSL, on one connection. */
final class NettyCaller {
  private final EventLoopGroup loop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
  private final LinkedBlockingQueue<String> answers = new LinkedBlockingQueue<>();
  private final Channel channel;

  NettyCaller(int port) throws Exception {
    SslContext tls =
        SslContextBuilder.forClient()
            .sslProvider(SslProvider.OPENSSL)
            .trustManager(InsecureTrustManagerFactory.INSTANCE)
            .build();
    channel =
        new Bootstrap()
            .group(loop)
            .channel(NioSocketChannel.class)
            .handler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel opened) {
                    opened
                        .pipeline()
                        .addLast(tls.newHandler(opened.alloc(), "localhost", port))
                        .addLast(new HttpClientCodec())
                        .addLast(new HttpObjectAggregator(1 << 20))
                        .addLast(
                            new SimpleChannelInboundHandler<FullHttpResponse>() {
                              @Override
                              protected void channelRead0(
                                  ChannelHandlerContext context, FullHttpResponse response) {
                                answers.add(
                                    response.status().code()
                                        + " "
                                        + response.content().readableBytes());
                              }
                            });
                  }
                })
            .connect("localhost", port)
            .sync()
            .channel();
  }

  synchronized String call(String path, int bytes) throws InterruptedException {
    DefaultFullHttpRequest request =
        new DefaultFullHttpRequest(
            HttpVersion.HTTP_1_1,
            bytes > 0 ? HttpMethod.POST : HttpMethod.GET,
            path,
            channel.alloc().buffer().writeZero(bytes));
    request.headers().set("Host", "localhost").set("Content-Length", bytes);
    if (!channel.writeAndFlush(request).await(20, TimeUnit.SECONDS)) {
      return "not sent";
    }
    return String.valueOf(answers.poll(20, TimeUnit.SECONDS));
  }
}
