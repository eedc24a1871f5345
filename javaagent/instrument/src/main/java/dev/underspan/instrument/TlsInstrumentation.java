package dev.underspan.instrument;

import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.List;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLSocket;
import net.bytebuddy.asm.Advice;
import org.jspecify.annotations.Nullable;

/**
 * Plaintext and ciphertext of TLS. Of each engine the one method is taken that all its others end
 * in; of the JDK's sockets where they meet the network, and where records become plaintext.
 */
final class TlsInstrumentation {
  private static final String JDK = "sun.security.ssl.";
  private static final String WRAP = "([Ljava/nio/ByteBuffer;IILjava/nio/ByteBuffer;)";
  private static final String UNWRAP = "(Ljava/nio/ByteBuffer;[Ljava/nio/ByteBuffer;II)";
  private static final String UNWRAP_ALL = "([Ljava/nio/ByteBuffer;II[Ljava/nio/ByteBuffer;II)";

  static final List<Hook> HOOKS =
      List.of(
          Hook.of(JDK + "SSLEngineImpl", "wrap", WRAP, Wrap.class),
          Hook.of(JDK + "SSLEngineImpl", "unwrap", UNWRAP, Unwrap.class),
          // Bouncy Castle
          Hook.of("*ProvSSLEngine", "wrap", WRAP, Wrap.class),
          Hook.of("*ProvSSLEngine", "unwrap", UNWRAP, Unwrap.class),
          Hook.of("*ConscryptEngine", "wrap", WRAP, Wrap.class),
          Hook.of("*ConscryptEngine", "unwrap", UNWRAP_ALL, UnwrapAll.class),
          // Netty on OpenSSL or BoringSSL
          Hook.of("*ReferenceCountedOpenSslEngine", "wrap", WRAP, Wrap.class),
          Hook.of("*ReferenceCountedOpenSslEngine", "unwrap", UNWRAP_ALL, UnwrapAll.class),
          Hook.of(JDK + "SSLSocketInputRecord", "setReceiverStream", null, Input.class),
          Hook.of(JDK + "SSLSocketInputRecord", "bytesInCompletePacket", "()", LateInput.class),
          Hook.of(JDK + "SSLSocketOutputRecord", "setDeliverStream", null, Output.class),
          Hook.of(JDK + "SSLSocketOutputRecord", "deliver", "([BII)", Deliver.class),
          Hook.of(
              JDK + "SSLSocketImpl",
              "readApplicationRecord",
              "(Ljava/nio/ByteBuffer;)",
              Opened.class),
          Hook.of(JDK + "SSLSocketImpl", "startHandshake", "(Z)", Handshake.class));

  private TlsInstrumentation() {}

  static final class Wrap {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(
        @Advice.This SSLEngine engine,
        @Advice.Argument(0) ByteBuffer[] sources,
        @Advice.Argument(1) int offset,
        @Advice.Argument(2) int length) {
      return UnderspanTls.wrapping(engine, sources, offset, length);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(
        @Advice.Enter @Nullable Object kept,
        @Advice.This SSLEngine engine,
        @Advice.Argument(0) ByteBuffer[] sources,
        @Advice.Argument(1) int offset,
        @Advice.Argument(2) int length,
        @Advice.Argument(3) ByteBuffer target,
        @Advice.Return @Nullable SSLEngineResult result,
        @Advice.Thrown @Nullable Throwable thrown) {
      if (kept != null) {
        UnderspanTls.wrapped(kept, engine, sources, offset, length, target, result, thrown);
      }
    }
  }

  static final class Unwrap {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(
        @Advice.This SSLEngine engine,
        @Advice.Argument(0) ByteBuffer source,
        @Advice.Argument(1) ByteBuffer[] targets,
        @Advice.Argument(2) int offset,
        @Advice.Argument(3) int length) {
      return UnderspanTls.unwrapping(engine, source, targets, offset, length);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(
        @Advice.Enter @Nullable Object kept,
        @Advice.This SSLEngine engine,
        @Advice.Argument(1) ByteBuffer[] targets,
        @Advice.Argument(2) int offset,
        @Advice.Argument(3) int length,
        @Advice.Return @Nullable SSLEngineResult result,
        @Advice.Thrown @Nullable Throwable thrown) {
      if (kept != null) {
        UnderspanTls.unwrapped(kept, engine, targets, offset, length, result, thrown);
      }
    }
  }

  static final class UnwrapAll {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(
        @Advice.This SSLEngine engine,
        @Advice.Argument(0) ByteBuffer[] sources,
        @Advice.Argument(1) int sourceOffset,
        @Advice.Argument(2) int sourceLength,
        @Advice.Argument(3) ByteBuffer[] targets,
        @Advice.Argument(4) int offset,
        @Advice.Argument(5) int length) {
      return UnderspanTls.unwrapping(
          engine, UnderspanTls.first(sources, sourceOffset, sourceLength), targets, offset, length);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(
        @Advice.Enter @Nullable Object kept,
        @Advice.This SSLEngine engine,
        @Advice.Argument(3) ByteBuffer[] targets,
        @Advice.Argument(4) int offset,
        @Advice.Argument(5) int length,
        @Advice.Return @Nullable SSLEngineResult result,
        @Advice.Thrown @Nullable Throwable thrown) {
      if (kept != null) {
        UnderspanTls.unwrapped(kept, engine, targets, offset, length, result, thrown);
      }
    }
  }

  static final class Input {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 0, readOnly = false) InputStream network) {
      network = UnderspanTls.input(network);
    }
  }

  /** A socket that was there before its class was changed; under the lock of its reader. */
  static final class LateInput {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.FieldValue(value = "is", readOnly = false) InputStream network) {
      network = UnderspanTls.input(network);
    }
  }

  static final class Output {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 0, readOnly = false) OutputStream network) {
      network = UnderspanTls.output(network);
    }
  }

  static final class Deliver {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.FieldValue(value = "deliverStream", readOnly = false) OutputStream network,
        @Advice.Argument(0) byte[] source,
        @Advice.Argument(1) int offset,
        @Advice.Argument(2) int length) {
      network = UnderspanTls.output(network);
      UnderspanTls.delivering(network, source, offset, length);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.FieldValue("deliverStream") OutputStream network) {
      UnderspanTls.delivered(network);
    }
  }

  static final class Opened {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(@Advice.This SSLSocket socket, @Advice.Return @Nullable ByteBuffer buffer) {
      UnderspanTls.opened(socket, buffer);
    }
  }

  static final class Handshake {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.This SSLSocket socket) {
      UnderspanTls.handshaking(socket);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.This SSLSocket socket, @Advice.Thrown @Nullable Throwable thrown) {
      UnderspanTls.handshaken(socket, thrown);
    }
  }
}
