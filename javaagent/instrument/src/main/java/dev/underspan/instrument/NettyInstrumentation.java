package dev.underspan.instrument;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelPipeline;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpRequestEncoder;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.Attribute;
import io.netty.util.AttributeKey;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import net.bytebuddy.asm.Advice;
import org.jspecify.annotations.Nullable;

/**
 * Netty's HTTP/1.1 codecs, whoever uses them. A server span begins with the decoded request and
 * ends when the answer's last byte was given to the socket; it is current while the handlers behind
 * the decoder work on a part of the request. A client's request carries the trace headers, and what
 * comes of its answer is handled in the context in which it was asked.
 */
final class NettyInstrumentation {
  private static final String CODEC = "io.netty.handler.codec.";

  static final List<Hook> HOOKS =
      List.of(
          Hook.of(
              CODEC + "http.HttpObjectDecoder",
              "decode",
              "(Lio/netty/channel/ChannelHandlerContext;Lio/netty/buffer/ByteBuf;Ljava/util/List;)",
              Decode.class),
          Hook.of(
              CODEC + "ByteToMessageDecoder",
              "fireChannelRead",
              "(Lio/netty/channel/ChannelHandlerContext;"
                  + "Lio/netty/handler/codec/CodecOutputList;I)",
              Fire.class),
          Hook.of(
              CODEC + "http.HttpObjectEncoder",
              "encode",
              "(Lio/netty/channel/ChannelHandlerContext;Ljava/lang/Object;Ljava/util/List;)",
              Encode.class),
          Hook.of(
              CODEC + "http.HttpRequestEncoder",
              "encodeInitialLine",
              "(Lio/netty/buffer/ByteBuf;Lio/netty/handler/codec/http/HttpRequest;)",
              RequestLine.class),
          Hook.of("io.netty.channel.AbstractChannel$AbstractUnsafe", "flush0", "()V", Flush.class),
          Hook.of(
              "io.netty.channel.DefaultChannelPipeline", "fireChannelInactive", "()", Close.class),
          // Keeps pipelined requests until it is their turn.
          Hook.of("reactor.netty.http.server.HttpTrafficHandler", "run", "()V", ReactorNext.class));

  private NettyInstrumentation() {}

  static final class Decode {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static int enter(@Advice.Argument(2) List<Object> out) {
      return out.size();
    }

    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(
        @Advice.Enter int before,
        @Advice.Argument(0) ChannelHandlerContext context,
        @Advice.Argument(2) List<Object> out) {
      if (out.size() == before) {
        return;
      }
      Attribute<Object> attribute =
          context.channel().attr(AttributeKey.<Object>valueOf(UnderspanHttpChannel.KEY));
      UnderspanHttpChannel channel = (UnderspanHttpChannel) attribute.get();
      for (int i = before; i < out.size(); i++) {
        Object message = out.get(i);
        if (message instanceof HttpRequest request) {
          if (request.decoderResult().isSuccess() && Underspan.serverWanted()) {
            if (channel == null) {
              boolean secure = false;
              for (Map.Entry<String, ChannelHandler> handler : context.pipeline()) {
                secure |= handler.getValue().getClass().getName().endsWith("SslHandler");
              }
              channel = new UnderspanHttpChannel(secure);
              attribute.set(channel);
            }
            HttpHeaders headers = request.headers();
            String[] values = Underspan.propagationFields().clone();
            for (int field = 0; field < values.length; field++) {
              values[field] = headers.get(values[field]);
            }
            Object remote = context.channel().remoteAddress();
            Object local = context.channel().localAddress();
            InetSocketAddress client = remote instanceof InetSocketAddress peer ? peer : null;
            channel.requestRead(
                Underspan.serverStart(
                    "netty",
                    request.method().name(),
                    channel.scheme(),
                    UnderspanHttpChannel.path(request.uri()),
                    UnderspanHttpChannel.query(request.uri()),
                    headers.get("Host"),
                    client == null || client.getAddress() == null
                        ? null
                        : client.getAddress().getHostAddress(),
                    client == null ? 0 : client.getPort(),
                    local instanceof InetSocketAddress own ? own.getPort() : 0,
                    request.protocolVersion().text(),
                    headers.get("User-Agent"),
                    values));
          }
        } else if (message instanceof HttpResponse response && channel != null) {
          channel.answerRead(response.status().code());
        }
        if (message instanceof LastHttpContent && channel != null) {
          channel.lastRead();
        }
      }
    }
  }

  static final class Fire {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(
        @Advice.Argument(0) ChannelHandlerContext context,
        @Advice.Argument(2) int messages,
        @Advice.Local("channel") UnderspanHttpChannel channel) {
      if (messages > 0) {
        AttributeKey<Object> key = AttributeKey.valueOf(UnderspanHttpChannel.KEY);
        if (context.channel().hasAttr(key)) {
          channel = (UnderspanHttpChannel) context.channel().attr(key).get();
          if (channel != null) {
            return channel.handling();
          }
        }
      }
      return null;
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(
        @Advice.Enter @Nullable Object scope,
        @Advice.Local("channel") UnderspanHttpChannel channel) {
      if (channel != null) {
        channel.handled(scope);
      }
    }
  }

  static final class Encode {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.Argument(0) ChannelHandlerContext context,
        @Advice.Argument(1) Object message,
        @Advice.Local("answering") UnderspanHttpChannel answering) {
      if (message instanceof HttpRequest request) {
        Attribute<Object> attribute =
            context.channel().attr(AttributeKey.<Object>valueOf(UnderspanHttpChannel.KEY));
        UnderspanHttpChannel channel = (UnderspanHttpChannel) attribute.get();
        if (channel == null) {
          boolean secure = false;
          for (Map.Entry<String, ChannelHandler> handler : context.pipeline()) {
            secure |= handler.getValue().getClass().getName().endsWith("SslHandler");
          }
          channel = new UnderspanHttpChannel(secure);
          attribute.set(channel);
        }
        channel.asking(request.headers().contains("traceparent"));
      } else {
        AttributeKey<Object> key = AttributeKey.valueOf(UnderspanHttpChannel.KEY);
        if (context.channel().hasAttr(key)) {
          answering = (UnderspanHttpChannel) context.channel().attr(key).get();
          if (answering != null && message instanceof HttpResponse response) {
            answering.answering(response.status().code());
          }
        }
      }
    }

    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(
        @Advice.This Object self,
        @Advice.Argument(1) Object message,
        @Advice.Local("answering") UnderspanHttpChannel answering) {
      if (answering != null
          && message instanceof LastHttpContent
          && !(self instanceof HttpRequestEncoder)) {
        answering.answered();
      }
    }
  }

  /** The application's request may be used for others too, so it stays as it is. */
  static final class RequestLine {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(@Advice.Argument(0) ByteBuf out, @Advice.Argument(1) HttpRequest request) {
      String[] headers = UnderspanHttpChannel.takeHeaders();
      if (headers != null) {
        for (int i = 0; i + 1 < headers.length; i += 2) {
          if (!request.headers().contains(headers[i])) {
            out.writeBytes(headers[i].getBytes(StandardCharsets.US_ASCII));
            out.writeByte(':').writeByte(' ');
            out.writeBytes(headers[i + 1].getBytes(StandardCharsets.US_ASCII));
            out.writeByte('\r').writeByte('\n');
          }
        }
      }
    }
  }

  static final class Flush {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(@Advice.This Channel.Unsafe self) {
      Channel channel = self.voidPromise().channel();
      AttributeKey<Object> key = AttributeKey.valueOf(UnderspanHttpChannel.KEY);
      if (channel.hasAttr(key)) {
        UnderspanHttpChannel state = (UnderspanHttpChannel) channel.attr(key).get();
        if (state != null && state.leaving()) {
          ChannelOutboundBuffer pending = self.outboundBuffer();
          if (pending != null && pending.isEmpty()) {
            state.left();
          }
        }
      }
    }
  }

  static final class Close {
    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.This ChannelPipeline self) {
      AttributeKey<Object> key = AttributeKey.valueOf(UnderspanHttpChannel.KEY);
      if (self.channel().hasAttr(key)) {
        UnderspanHttpChannel state = (UnderspanHttpChannel) self.channel().attr(key).get();
        if (state != null) {
          state.closed();
        }
      }
    }
  }

  static final class ReactorNext {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(@Advice.FieldValue("ctx") ChannelHandlerContext context) {
      AttributeKey<Object> key = AttributeKey.valueOf(UnderspanHttpChannel.KEY);
      if (context.channel().hasAttr(key)) {
        UnderspanHttpChannel state = (UnderspanHttpChannel) context.channel().attr(key).get();
        if (state != null) {
          return state.attachNext();
        }
      }
      return null;
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.Enter @Nullable Object scope) {
      Underspan.restored(scope);
    }
  }
}
