package dev.underspan.instrument;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import net.bytebuddy.asm.Advice;
import org.jspecify.annotations.Nullable;

/**
 * Objects that stand for something asked asynchronously. Each is made by whoever asks, and told of
 * the outcome on a thread of somebody else's, an event loop or whoever gives a connection back. It
 * keeps the context in which it was made, in a field that is added to its class, and what it does
 * on that other thread is done in it.
 */
final class CarrierInstrumentation {
  static final String FIELD = Underspan.FIELD;

  private static final String EPOLL = "epoll.AbstractEpollChannel$AbstractEpoll";

  private static final String CONNECT = "reactor.netty.http.client.HttpClientConnect$";

  static final List<Hook> HOOKS =
      hooks(
          // A request of Reactor Netty's client: it is written once a connection is to be had.
          CONNECT + "HttpIOHandlerObserver",
          "onStateChange",
          CONNECT + "HttpObserver",
          "onStateChange|onUncaughtException",
          // A stream of HTTP/2 as a channel of its own, and one that waits for others to end.
          "io.netty.handler.codec.http2.AbstractHttp2StreamChannel$Http2ChannelUnsafe",
          "doRead0|notifyReadComplete",
          "io.netty.handler.codec.http2.StreamBufferingEncoder$PendingStream",
          "sendFrames|close",
          // Reactor's bridges from callbacks.
          "reactor.core.publisher.MonoCreate$DefaultMonoSink",
          "success|error",
          "reactor.core.publisher.MonoCompletionStage$MonoCompletionStageSubscription",
          "apply",
          // Who waits for a pooled object is told by whoever gives one back.
          "reactor.pool.AbstractPool$Borrower",
          "deliver|fail",
          // What PostgreSQL or MariaDB is asked by R2DBC.
          "io.r2dbc.postgresql.client.ReactorNettyClient$Conversation",
          "emit|complete|onError",
          "org.mariadb.r2dbc.client.Exchange",
          "emit|onError",
          // A command of Lettuce.
          "io.lettuce.core.protocol.AsyncCommand",
          "complete|completeExceptionally|cancel",
          "io.lettuce.core.RedisPublisher$RedisSubscription",
          "onNext|onDataAvailable|onAllDataRead|onError|request",
          // A request of Vert.x's client that waits for a connection, and what is to block.
          "io.vertx.core.http.impl.SharedHttpClientConnectionGroup$Request",
          "complete",
          "io.vertx.core.impl.WorkerTask",
          "run",
          // An exchange of Apache's asynchronous client.
          "org.apache.hc.client5.http.impl.async.HttpAsyncMainClientExec$1",
          "produceRequest|produce|consume|consumeResponse|streamEnd|failed|cancel",
          "org.apache.hc.client5.http.impl.async.H2AsyncMainClientExec$1",
          "produceRequest|produce|consume|consumeResponse|streamEnd|failed|cancel",
          // A call of OkHttp, which may wait for another one's thread to start it.
          "okhttp3.internal.connection.RealCall$AsyncCall",
          "run",
          // A gRPC call: what its listener is told, on either side, and the wait for a channel.
          "io.grpc.internal.SerializingExecutor",
          "run",
          "io.grpc.internal.SerializeReentrantCallsDirectExecutor",
          "execute",
          "io.grpc.internal.ManagedChannelImpl$RealChannel$PendingCall",
          "reprocess");

  private CarrierInstrumentation() {}

  private static List<Hook> hooks(String... typesAndMethods) {
    List<Hook> hooks = new ArrayList<>();
    // A connection that is being established: whoever waits for it is told by the event loop.
    for (String channel : List.of("nio.AbstractNioChannel$AbstractNio", EPOLL)) {
      String unsafe = "io.netty.channel." + channel + "Unsafe";
      hooks.add(Hook.of(unsafe, "connect", null, Keep.class));
      hooks.add(Hook.of(unsafe, "finishConnect", "()V", Release.class));
    }
    for (int i = 0; i < typesAndMethods.length; i += 2) {
      hooks.add(Hook.of(typesAndMethods[i], "<init>", null, Capture.class));
      hooks.add(Hook.of(typesAndMethods[i], typesAndMethods[i + 1], null, Restore.class));
    }
    return List.copyOf(hooks);
  }

  /** Whether the class gets the field. */
  static boolean isCarrier(List<Hook> hooks) {
    for (Hook hook : hooks) {
      if (hook.advice().equals(Capture.class.getName())
          || hook.advice().equals(Keep.class.getName())
          || OutboundInstrumentation.KEEPING.contains(hook.advice())
          || hook.advice().equals(GrpcInstrumentation.Answered.class.getName())
          || hook.advice().equals(NettyHttp2Instrumentation.StreamMade.class.getName())
          || KafkaInstrumentation.KEEPING.contains(hook.advice())) {
        return true;
      }
    }
    return false;
  }

  /** Whether the loaded class has it. */
  static boolean hasField(Class<?> type) {
    for (Field field : type.getDeclaredFields()) {
      if (field.getName().equals(FIELD)) {
        return true;
      }
    }
    return false;
  }

  static final class Capture {
    @Advice.OnMethodExit(suppress = Throwable.class)
    @SuppressWarnings("UnusedVariable") // it is the object's field
    static void exit(@Advice.FieldValue(value = FIELD, readOnly = false) Object context) {
      context = Underspan.capture();
    }
  }

  static final class Keep {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    @SuppressWarnings("UnusedVariable") // it is the object's field
    static void enter(@Advice.FieldValue(value = FIELD, readOnly = false) Object context) {
      context = Underspan.capture();
    }
  }

  /** {@link Restore} for the last time: the object lives on. */
  static final class Release {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(
        @Advice.FieldValue(value = FIELD, readOnly = false) @Nullable Object context) {
      Object scope = Underspan.restore(context);
      context = null;
      return scope;
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.Enter @Nullable Object scope) {
      Underspan.restored(scope);
    }
  }

  static final class Restore {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(@Advice.FieldValue(FIELD) @Nullable Object context) {
      return Underspan.restore(context);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.Enter @Nullable Object scope) {
      Underspan.restored(scope);
    }
  }
}
