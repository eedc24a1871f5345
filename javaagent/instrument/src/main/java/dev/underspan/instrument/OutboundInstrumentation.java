package dev.underspan.instrument;

import io.netty.channel.Channel;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import net.bytebuddy.asm.Advice;
import org.jspecify.annotations.Nullable;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.netty.Connection;

/**
 * Clients on Netty that queue what they are asked and send one thing after the other: what is sent
 * belongs to whoever asked for it, not to whoever was served before on that connection.
 */
final class OutboundInstrumentation {
  private static final String MESSAGE = "org.mariadb.r2dbc.message.client.";

  private static final Class<?> MADE = CarrierInstrumentation.Capture.class;

  static final List<Hook> HOOKS =
      List.of(
          Hook.of(
              "io.netty.channel.AbstractChannel$AbstractUnsafe", "flush0", "()V", Flushing.class),
          Hook.of("io.netty.channel.ChannelOutboundBuffer", "remove", "()Z", Left.class),
          Hook.of("io.netty.channel.ChannelOutboundBuffer", "removeBytes", "(J)V", Left.class),
          // R2DBC for PostgreSQL.
          Hook.of(
              "io.r2dbc.postgresql.client.ReactorNettyClient",
              "doSendRequest",
              "(Lorg/reactivestreams/Publisher;)V",
              Ask.class),
          // R2DBC for MariaDB.
          Hook.of("org.mariadb.r2dbc.client.SimpleClient", "<init>", null, Made.class),
          Hook.of("org.mariadb.r2dbc.client.MariadbPacketEncoder", "encodeFlux", null, Next.class),
          Hook.of(MESSAGE + "QueryPacket", "<init>", null, MADE),
          Hook.of(MESSAGE + "QueryWithParametersPacket", "<init>", null, MADE),
          Hook.of(MESSAGE + "PreparePacket", "<init>", null, MADE),
          Hook.of(MESSAGE + "ExecutePacket", "<init>", null, MADE));

  /** What adds a field that is not one of a carrier. */
  static final Set<String> KEEPING = Set.of(Left.class.getName(), Next.class.getName());

  private OutboundInstrumentation() {}

  /** A flush that goes on later, when the socket takes more, comes here too. */
  static final class Flushing {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(@Advice.This Channel.Unsafe self) {
      return UnderspanOutbound.flushing(self.outboundBuffer());
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.Enter @Nullable Object begun) {
      UnderspanOutbound.flushed(begun);
    }
  }

  static final class Left {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(@Advice.FieldValue(CarrierInstrumentation.FIELD) @Nullable Object outbound) {
      UnderspanOutbound.left(outbound);
    }
  }

  /** The parts of a request are passed on one by one, the next when the last has left. */
  static final class Ask {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.Argument(value = 0, readOnly = false) Publisher<?> parts,
        @Advice.FieldValue("connection") Connection connection) {
      Consumer<Object> turn =
          UnderspanOutbound.asked(connection.channel().unsafe().outboundBuffer());
      if (turn != null) {
        parts = Flux.from(parts).doOnNext(turn);
      }
    }
  }

  /** What writes a client's messages for a connection is told over which. */
  static final class Made {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(
        @Advice.FieldValue("encoder") Object encoder,
        @Advice.FieldValue("connection") Connection connection) {
      UnderspanOutbound.sendsOver(encoder, connection.channel().unsafe().outboundBuffer());
    }
  }

  /** A message that knows in which context it was made is sent when the last one has left. */
  static final class Next {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.FieldValue(CarrierInstrumentation.FIELD) @Nullable Object outbound,
        @Advice.Argument(0) Object message) {
      UnderspanOutbound.next(outbound, message);
    }
  }
}
