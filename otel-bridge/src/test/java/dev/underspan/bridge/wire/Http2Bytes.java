package dev.underspan.bridge.wire;

import static dev.underspan.bridge.wire.Feed.bytes;
import static dev.underspan.bridge.wire.Feed.join;

/** Frames and header blocks of HTTP/2 by hand. */
final class Http2Bytes {
  static final byte[] PREFACE = bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  static final byte[] SETTINGS = frame(4, 0, 0);

  private Http2Bytes() {}

  static byte[] frame(int type, int flags, int stream, byte[]... payload) {
    byte[] all = join(payload);
    byte[] head = {
      (byte) (all.length >> 16),
      (byte) (all.length >> 8),
      (byte) all.length,
      (byte) type,
      (byte) flags,
      (byte) (stream >> 24),
      (byte) (stream >> 16),
      (byte) (stream >> 8),
      (byte) stream
    };
    return join(head, all);
  }

  /** HEADERS with END_HEADERS. */
  static byte[] headers(int stream, boolean end, byte[]... block) {
    return frame(1, end ? 5 : 4, stream, block);
  }

  static byte[] data(int stream, boolean end, byte[] data) {
    return frame(0, end ? 1 : 0, stream, data);
  }

  /** A field that is added to the dynamic table. */
  static byte[] add(String name, String value) {
    return field(0x40, name, value);
  }

  /** A field that is not. */
  static byte[] plain(String name, String value) {
    return field(0, name, value);
  }

  private static byte[] field(int kind, String name, String value) {
    return join(new byte[] {(byte) kind}, text(name), text(value));
  }

  private static byte[] text(String text) {
    byte[] length;
    if (text.length() < 127) {
      length = new byte[] {(byte) text.length()};
    } else {
      int rest = text.length() - 127;
      length = new byte[] {127, (byte) ((rest & 127) | 128), (byte) (((rest >> 7) & 127) | 128), 0};
      length[3] = (byte) (rest >> 14);
    }
    return join(length, bytes(text));
  }

  static byte[] hex(String hex) {
    return Feed.hex(hex);
  }

  /** GET http with a path. */
  static byte[] get(int stream, String path) {
    return headers(stream, true, hex("8286"), plain(":path", path), plain(":authority", "h:80"));
  }

  static byte[] ok(int stream, String body) {
    return join(headers(stream, false, hex("88")), data(stream, true, bytes(body)));
  }

  /** What a gRPC client sends for its n-th unary call; the method is in the table after that. */
  static byte[] grpc(int stream, String path, String message) {
    return join(
        headers(
            stream,
            false,
            hex("8386"),
            plain(":path", path),
            plain(":authority", "h:80"),
            plain("content-type", "application/grpc"),
            plain("te", "trailers")),
        data(stream, true, message(message)));
  }

  static byte[] message(String text) {
    int n = text.length();
    byte[] prefix = {0, (byte) (n >> 24), (byte) (n >> 16), (byte) (n >> 8), (byte) n};
    return join(prefix, bytes(text));
  }

  static byte[] grpcAnswer(int stream, String message, int status) {
    return join(
        headers(stream, false, hex("88"), plain("content-type", "application/grpc")),
        data(stream, false, message(message)),
        headers(stream, true, plain("grpc-status", Integer.toString(status))));
  }
}
