package dev.underspan.instrument;

import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.List;
import net.bytebuddy.asm.Advice;
import org.jspecify.annotations.Nullable;

/**
 * Sockets of Bouncy Castle, which use no engine: where their records meet the network, and become
 * plaintext. Its engine is among the others, see {@link TlsInstrumentation}.
 */
final class BouncyCastleTlsInstrumentation {
  private static final String PACKAGE = "org.bouncycastle.tls.";

  // Type 23 below: application data (RFC 8446, 5.1).

  static final List<Hook> HOOKS =
      List.of(
          Hook.of(PACKAGE + "RecordStream", "<init>", null, Streams.class),
          Hook.of(PACKAGE + "RecordStream", "writeRecord", "(S[BII)", Write.class),
          Hook.of(PACKAGE + "TlsProtocol", "processRecord", "(S[BII)", Opened.class));

  private BouncyCastleTlsInstrumentation() {}

  static final class Streams {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.Argument(value = 1, readOnly = false) @Nullable InputStream input,
        @Advice.Argument(value = 2, readOnly = false) @Nullable OutputStream output) {
      // An engine's has none.
      if (input != null && output != null) {
        input = UnderspanTls.input(input);
        output = UnderspanTls.output(output);
      }
    }
  }

  static final class Write {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.FieldValue("output") @Nullable OutputStream network,
        @Advice.Argument(0) short type,
        @Advice.Argument(1) byte[] source,
        @Advice.Argument(2) int offset,
        @Advice.Argument(3) int length) {
      if (type == 23 && network != null) {
        UnderspanTls.delivering(network, source, offset, length);
      }
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(
        @Advice.FieldValue("output") @Nullable OutputStream network,
        @Advice.Argument(0) short type) {
      if (type == 23 && network != null) {
        UnderspanTls.delivered(network);
      }
    }
  }

  static final class Opened {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.FieldValue("blocking") boolean socket,
        @Advice.Argument(0) short type,
        @Advice.Argument(1) byte[] plaintext,
        @Advice.Argument(2) int offset,
        @Advice.Argument(3) int length) {
      if (type == 23 && socket && length > 0) {
        ByteBuffer buffer = ByteBuffer.wrap(plaintext, offset, length).slice();
        UnderspanTls.opened(null, buffer.position(length));
      }
    }
  }
}
