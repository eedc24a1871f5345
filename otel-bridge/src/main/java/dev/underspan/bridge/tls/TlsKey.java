package dev.underspan.bridge.tls;

import org.jspecify.annotations.Nullable;

/**
 * Sixteen bytes that no two TLS records share: of the ciphertext of application data, or of the
 * random number of a hello.
 */
record TlsKey(long high, long low) {
  static final int HEADER = 5;

  /** Type, length and version of a handshake message before its random number. */
  private static final int BEFORE = 6;

  /** So many bytes of a record, header included, are needed to tell its key. */
  static final int BYTES = HEADER + BEFORE + 16;

  static final int CLIENT_HELLO = 1;
  static final int SERVER_HELLO = 2;
  private static final int HANDSHAKE = 0x16;
  private static final int APPLICATION_DATA = 0x17;

  /** RFC 8446, 5.2, and some more that older versions allow. */
  private static final int MAX_BODY = 16_384 + 2048;

  /** RFC 8446, 4.1.3: a hello that asks for another one has always the same random number. */
  private static final long RETRY_HIGH = 0xCF21AD74E59A6111L;

  /** Could a record begin so? At least three bytes. */
  static boolean begins(byte[] data, int offset, int length) {
    return length >= 3
        && data[offset] >= 0x14
        && data[offset] <= APPLICATION_DATA
        && data[offset + 1] == 3
        && data[offset + 2] >= 0
        && data[offset + 2] <= 4;
  }

  /** Length of the body that a header names, -1 if it is none. */
  static int bodyLength(byte[] header, int offset) {
    int length = (header[offset + 3] & 0xff) << 8 | (header[offset + 4] & 0xff);
    return begins(header, offset, HEADER) && length > 0 && length <= MAX_BODY ? length : -1;
  }

  /** The type of hello at the beginning of a record, 0 if it is none. */
  static int hello(byte[] record, int offset, int length) {
    return length > HEADER + 3
            && record[offset] == HANDSHAKE
            && (record[offset + 5] == CLIENT_HELLO || record[offset + 5] == SERVER_HELLO)
            && record[offset + 6] == 0
        ? record[offset + 5]
        : 0;
  }

  /** The key of the record that begins there; null if it has none, or it is not all there. */
  static @Nullable TlsKey of(byte[] record, int offset, int length) {
    if (length < BYTES || bodyLength(record, offset) < BYTES - HEADER) {
      return null;
    }
    boolean data = record[offset] == APPLICATION_DATA;
    if (!data && hello(record, offset, length) == 0) {
      return null;
    }
    long high = int64(record, offset + HEADER + BEFORE);
    return !data && high == RETRY_HIGH
        ? null
        : new TlsKey(high, int64(record, offset + HEADER + BEFORE + 8));
  }

  private static long int64(byte[] data, int offset) {
    long value = 0;
    for (int i = 0; i < 8; i++) {
      value = value << 8 | (data[offset + i] & 0xff);
    }
    return value;
  }
}
