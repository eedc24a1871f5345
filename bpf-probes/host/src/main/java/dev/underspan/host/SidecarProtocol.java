package dev.underspan.host;

import dev.underspan.abi.Layout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * What a JVM and its sidecar say to each other, one after the other, a message each; numbers as the
 * processor has them, since both run on the same one.
 *
 * <pre>
 * JVM     HELLO      type, MAGIC, VERSION, layout, slots, ring bytes; maps that it has already
 * sidecar CHALLENGE  type, 8 bytes by chance
 * JVM     ANSWER     type, the same bytes; sent by the same process, as the kernel says
 * sidecar WELCOME    type, 1 if there are sockets, why there are none; maps
 * JVM     SOCKETS    type; sockets that are open
 * sidecar DONE       type, 0
 * JVM     UPROBE     type, program, 1 if on return, offset; the file
 * sidecar DONE       type, its number
 * JVM     RELEASE    type, the number
 * sidecar DONE       type, 0
 * </pre>
 *
 * The sidecar answers any of them by REFUSED (type, errno, why) instead.
 */
final class SidecarProtocol {
  static final int MAGIC = 0x4e415053; // "SPAN"
  static final int VERSION = 1;

  static final int HELLO = 1;
  static final int CHALLENGE = 2;
  static final int ANSWER = 3;
  static final int WELCOME = 4;
  static final int SOCKETS = 5;
  static final int UPROBE = 6;
  static final int RELEASE = 7;
  static final int DONE = 8;
  static final int REFUSED = 9;

  /** Programs that a JVM may have on files of its own. */
  static final List<String> UPROBES =
      List.of(
          "on_safepoint_begin",
          "on_safepoint_end",
          "on_libraries",
          "on_tls_read",
          "on_tls_write",
          "on_tls_read_ex",
          "on_tls_write_ex",
          "on_tls_return",
          "on_tls_shake",
          "on_tls_error",
          "on_tls_error_old",
          "on_tls_free");

  private static final int MAX_TEXT = 800;

  private SidecarProtocol() {}

  static ByteBuffer message(int type, int... numbers) {
    ByteBuffer message = Native.allocate(4 + 4 * numbers.length).putInt(type);
    for (int number : numbers) {
      message.putInt(number);
    }
    return message.flip();
  }

  static ByteBuffer message(int type, int number, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    int length = Math.min(bytes.length, MAX_TEXT);
    return Native.allocate(8 + length).putInt(type).putInt(number).put(bytes, 0, length).flip();
  }

  static ByteBuffer hello(int slots, int ringBytes) {
    return message(HELLO, MAGIC, VERSION, Layout.FINGERPRINT, slots, ringBytes);
  }

  static ByteBuffer withNonce(int type, long nonce) {
    return Native.allocate(12).putInt(type).putLong(nonce).flip();
  }

  /** The rest of a message. */
  static String text(ByteBuffer message) {
    byte[] bytes = new byte[message.remaining()];
    message.get(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
