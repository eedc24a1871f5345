package dev.underspan.instrument;

import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.Http2Connection;
import io.netty.handler.codec.http2.Http2ConnectionEncoder;
import io.netty.handler.codec.http2.Http2ConnectionHandler;
import io.netty.handler.codec.http2.Http2Headers;
import java.net.InetSocketAddress;
import java.util.List;
import net.bytebuddy.asm.Advice;
import org.jspecify.annotations.Nullable;

/**
 * Netty's HTTP/2 codec, below all its faces: frames, a channel a stream, messages of HTTP/1.1. A
 * server span begins with the decoded head and ends with its stream, or when its answer is written;
 * what comes for a stream is handled in the context of its request, or of whoever asked by it.
 * gRPC, which is built upon the same, has an instrumentation of its own.
 */
final class NettyHttp2Instrumentation {
  private static final String HTTP2 = "io.netty.handler.codec.http2.";
  private static final String READER = HTTP2 + "DefaultHttp2ConnectionDecoder$FrameReadListener";
  private static final String STREAM = HTTP2 + "DefaultHttp2Connection$DefaultStream";
  private static final String ENCODER = HTTP2 + "DefaultHttp2ConnectionEncoder";

  static final List<Hook> HOOKS =
      List.of(
          Hook.of(
              READER,
              "onHeadersRead",
              // The one with a priority, which the other calls.
              "(Lio/netty/channel/ChannelHandlerContext;I"
                  + "Lio/netty/handler/codec/http2/Http2Headers;IS",
              HeadersRead.class),
          Hook.of(
              READER,
              "onDataRead|onRstStreamRead",
              "(Lio/netty/channel/ChannelHandlerContext;I",
              FrameRead.class),
          Hook.of(STREAM, "<init>", null, StreamMade.class),
          Hook.of(STREAM, "closeLocalSide", "()", StreamClosed.class),
          Hook.of(STREAM, "close", "(Ljava/util/Iterator;)", StreamClosed.class),
          Hook.of(ENCODER, "writeHeaders0", null, HeadersWritten.class),
          Hook.of(ENCODER, "writeData", null, DataWritten.class));

  private NettyHttp2Instrumentation() {}

  static final class HeadersRead {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(
        @Advice.Argument(0) ChannelHandlerContext context,
        @Advice.Argument(1) int streamId,
        @Advice.Argument(2) Http2Headers headers) {
      if (!(context.handler() instanceof Http2ConnectionHandler handler)
          || handler.getClass().getName().startsWith("io.grpc.")) {
        return null;
      }
      Http2Connection connection = handler.connection();
      if (connection.stream(streamId) != null) {
        return UnderspanHttp2.handling(connection.stream(streamId));
      }
      if (!connection.isServer()
          || connection.streamMayHaveExisted(streamId)
          || headers.method() == null
          || !Underspan.serverWanted()) {
        return null;
      }
      String[] values = Underspan.propagationFields().clone();
      for (int i = 0; i < values.length; i++) {
        CharSequence value = headers.get(values[i]);
        values[i] = value == null ? null : value.toString();
      }
      String path = headers.path() == null ? "" : headers.path().toString();
      CharSequence agent = headers.get("user-agent");
      Object remote = context.channel().remoteAddress();
      Object local = context.channel().localAddress();
      InetSocketAddress client = remote instanceof InetSocketAddress peer ? peer : null;
      return UnderspanHttp2.requestRead(
          Underspan.serverStart(
              "netty",
              headers.method().toString(),
              headers.scheme() == null ? null : headers.scheme().toString(),
              UnderspanHttpChannel.path(path),
              UnderspanHttpChannel.query(path),
              headers.authority() == null ? null : headers.authority().toString(),
              client == null || client.getAddress() == null
                  ? null
                  : client.getAddress().getHostAddress(),
              client == null ? 0 : client.getPort(),
              local instanceof InetSocketAddress own ? own.getPort() : 0,
              "HTTP/2",
              agent == null ? null : agent.toString(),
              values));
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.Enter @Nullable Object scope) {
      UnderspanHttp2.headHandled(scope);
    }
  }

  static final class FrameRead {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(
        @Advice.Argument(0) ChannelHandlerContext context, @Advice.Argument(1) int streamId) {
      return context.handler() instanceof Http2ConnectionHandler handler
          ? UnderspanHttp2.handling(handler.connection().stream(streamId))
          : null;
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.Enter @Nullable Object scope) {
      Underspan.restored(scope);
    }
  }

  static final class StreamMade {
    @Advice.OnMethodExit(suppress = Throwable.class)
    @SuppressWarnings("UnusedVariable") // it is the object's field
    static void exit(
        @Advice.FieldValue(value = CarrierInstrumentation.FIELD, readOnly = false) Object kept) {
      kept = UnderspanHttp2.streamMade();
    }
  }

  static final class StreamClosed {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.FieldValue(CarrierInstrumentation.FIELD) @Nullable Object kept) {
      UnderspanHttp2.streamClosed(kept);
    }
  }

  static final class HeadersWritten {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.This Http2ConnectionEncoder self,
        @Advice.Argument(1) int streamId,
        @Advice.Argument(value = 2, readOnly = false) Http2Headers headers,
        @Advice.Argument(8) boolean last) {
      if (headers.getClass().getName().startsWith("io.grpc.")) {
        return;
      }
      Http2Connection connection = self.connection();
      if (connection.isServer()) {
        CharSequence status = headers.status();
        UnderspanHttp2.answering(
            connection.stream(streamId),
            status == null ? 0 : Integer.parseInt(status.toString()),
            last);
      } else if (connection.stream(streamId) == null
          && headers.scheme() != null
          && !headers.contains("traceparent")) {
        String[] injected = Underspan.clientInject(headers.scheme().toString(), null, -1);
        if (injected != null) {
          // The application's may be used for others too, so they stay as they are.
          Http2Headers changed = new DefaultHttp2Headers(false).setAll(headers);
          for (int i = 0; i + 1 < injected.length; i += 2) {
            if (!headers.contains(injected[i])) {
              changed.add(injected[i], injected[i + 1]);
            }
          }
          headers = changed;
        }
      }
    }
  }

  static final class DataWritten {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.This Http2ConnectionEncoder self,
        @Advice.Argument(1) int streamId,
        @Advice.Argument(4) boolean last) {
      if (last && self.connection().isServer()) {
        UnderspanHttp2.answering(self.connection().stream(streamId), 0, true);
      }
    }
  }
}
