package dev.underspan.instrument;

import io.grpc.Attributes;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.internal.AbstractServerStream;
import io.grpc.internal.ServerStream;
import java.net.InetSocketAddress;
import java.util.List;
import net.bytebuddy.asm.Advice;
import org.jspecify.annotations.Nullable;

/**
 * gRPC. A server span begins when a call's headers were read and ends with its stream. A client's
 * headers carry the trace when they are written, since only then it is known whether in TLS; the
 * context is the one in which they were made.
 */
final class GrpcInstrumentation {
  static final List<Hook> HOOKS =
      List.of(
          Hook.of(
              "io.grpc.internal.ServerImpl$ServerTransportListenerImpl",
              "streamCreated",
              null,
              StreamCreated.class),
          Hook.of("io.grpc.internal.AbstractServerStream", "close", null, Answered.class),
          Hook.of(
              "io.grpc.internal.ServerImpl$JumpToApplicationThreadServerStreamListener",
              "closed",
              null,
              Closed.class),
          Hook.of("io.grpc.Metadata", "<init>", null, CarrierInstrumentation.Capture.class),
          clientHeaders("io.grpc.netty.Utils"),
          clientHeaders("io.grpc.netty.shaded.io.grpc.netty.Utils"));

  private GrpcInstrumentation() {}

  private static Hook clientHeaders(String type) {
    return Hook.of(type, "convertClientHeaders", "(Lio/grpc/Metadata;", ClientHeaders.class);
  }

  static final class StreamCreated {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(
        @Advice.Argument(0) ServerStream stream,
        @Advice.Argument(1) String method,
        @Advice.Argument(2) Metadata headers) {
      if (!(stream instanceof AbstractServerStream) || !Underspan.serverWanted()) {
        return null;
      }
      String[] values = Underspan.propagationFields().clone();
      for (int i = 0; i < values.length; i++) {
        values[i] = headers.get(Metadata.Key.of(values[i], Metadata.ASCII_STRING_MARSHALLER));
      }
      Attributes attributes = stream.getAttributes();
      Object remote = attributes.get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR);
      Object local = attributes.get(Grpc.TRANSPORT_ATTR_LOCAL_ADDR);
      InetSocketAddress client = remote instanceof InetSocketAddress peer ? peer : null;
      Object opened =
          Underspan.serverStart(
              "grpc",
              method,
              null,
              null,
              null,
              stream.getAuthority(),
              client == null || client.getAddress() == null
                  ? null
                  : client.getAddress().getHostAddress(),
              client == null ? 0 : client.getPort(),
              local instanceof InetSocketAddress own ? own.getPort() : 0,
              null,
              null,
              values);
      return UnderspanRpc.started(stream, opened);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.Enter @Nullable Object scope) {
      Underspan.restored(scope);
    }
  }

  static final class Answered {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.FieldValue(CarrierInstrumentation.FIELD) Object call,
        @Advice.Argument(0) Status status) {
      UnderspanRpc.answered(call, status.getCode().value());
    }
  }

  static final class Closed {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.FieldValue("stream") Object stream, @Advice.Argument(0) Status status) {
      UnderspanRpc.ended(stream, status.getCode().value());
    }
  }

  static final class ClientHeaders {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(0) Metadata headers, @Advice.Argument(1) Object scheme) {
      Metadata.Key<String> parent =
          Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER);
      if (headers.containsKey(parent)) {
        return;
      }
      Object scope = Underspan.restore(Underspan.capturedBy(headers));
      String[] injected = Underspan.clientInject(scheme.toString(), null, -1);
      Underspan.restored(scope);
      if (injected != null) {
        for (int i = 0; i + 1 < injected.length; i += 2) {
          Metadata.Key<String> key = Metadata.Key.of(injected[i], Metadata.ASCII_STRING_MARSHALLER);
          if (!headers.containsKey(key)) {
            headers.put(key, injected[i + 1]);
          }
        }
      }
    }
  }
}
