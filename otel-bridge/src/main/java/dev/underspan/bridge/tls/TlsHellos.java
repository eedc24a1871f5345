package dev.underspan.bridge.tls;

import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.TlsFacts;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What the hellos of a connection tell, which are in the clear whatever library made them (RFC
 * 8446, 4.1.2 and 4.1.3; RFC 5246, 7.4.1). Not thread-safe.
 */
public final class TlsHellos {
  /** Hellos with large key shares have some 1700 bytes. */
  private static final int MAX = 2048;

  private static final int CHANGE_CIPHER_SPEC = 0x14;
  private static final int HANDSHAKE_HEADER = 4;

  /** A header and something in it. */
  private static final int RECORD = TlsKey.HEADER + 1;

  private static final int VERSION_AND_RANDOM = 2 + 32;
  private static final int SERVER_NAME = 0;
  private static final int ALPN = 16;
  private static final int PRE_SHARED_KEY = 41;
  private static final int SUPPORTED_VERSIONS = 43;
  private static final byte[] NONE = {};

  private final TlsFacts facts = new TlsFacts();
  private byte[] sent = NONE;
  private byte[] received = NONE;
  private byte[] sessionId = NONE;
  private boolean sentDone;
  private boolean receivedDone;
  private long lastNs;

  private TlsHellos() {}

  /**
   * Takes what a connection moved.
   *
   * @param known what is kept of the connection so far; null if there was no hello
   * @param secured whether it is known to carry application data, too
   * @return what is to be kept from now on
   */
  public static @Nullable TlsHellos feed(@Nullable TlsHellos known, Chunk chunk, boolean secured) {
    TlsHellos hellos = known;
    if (chunk.direction == Direction.SENT
        && (known == null || known.sentDone)
        && TlsKey.hello(chunk.data, 0, chunk.length) == TlsKey.CLIENT_HELLO) {
      if (known != null && !known.receivedDone) {
        known.sentDone = false; // asked for another one: it is the same handshake
        known.sent = NONE;
      } else {
        hellos = new TlsHellos();
        hellos.facts.helloNs = chunk.timeNs;
      }
    }
    if (hellos != null) {
      hellos.take(chunk);
      if (!secured) {
        hellos.lastNs = chunk.timeNs;
      }
    }
    return hellos;
  }

  private void take(Chunk chunk) {
    if (chunk.direction == Direction.SENT) {
      if (!sentDone) {
        sent = append(sent, chunk);
        sentDone = clientHello() || isCut(sent, chunk);
      }
    } else if (!receivedDone) {
      received = append(received, chunk);
      receivedDone = serverHello() || isCut(received, chunk);
    }
    if (sentDone) {
      sent = NONE;
    }
    if (receivedDone) {
      received = NONE;
    }
  }

  private static byte[] append(byte[] before, Chunk chunk) {
    int n = Math.min(chunk.length, MAX - before.length);
    byte[] all = Arrays.copyOf(before, before.length + n);
    System.arraycopy(chunk.data, 0, all, before.length, n);
    return all;
  }

  /** Nothing that comes later continues it. */
  private static boolean isCut(byte[] bytes, Chunk chunk) {
    return bytes.length >= MAX || chunk.length < chunk.totalLength;
  }

  /** What is known so far, filled in as more becomes known. */
  public TlsFacts facts() {
    return facts;
  }

  /** When the last bytes went by that may be of the handshake. */
  long lastNs() {
    return lastNs;
  }

  /** Adds what the library itself did not tell. */
  void complete(TlsFacts told) {
    if (told.resumed == null) {
      told.resumed = facts.resumed;
    }
    if (told.serverName == null) {
      told.serverName = facts.serverName;
    }
  }

  /** Where the hello's session id begins, -1 if the bytes are none of that type. */
  private static int begin(byte[] record, int type) {
    int at = TlsKey.HEADER + HANDSHAKE_HEADER + VERSION_AND_RANDOM;
    return TlsKey.hello(record, 0, record.length) == type && record.length > at ? at : -1;
  }

  private boolean isBefore() {
    return received[0] == CHANGE_CIPHER_SPEC
        || (received.length >= TlsKey.BYTES
            && TlsKey.hello(received, 0, received.length) == TlsKey.SERVER_HELLO
            && TlsKey.of(received, 0, received.length) == null);
  }

  private boolean clientHello() {
    int at = begin(sent, TlsKey.CLIENT_HELLO);
    if (at < 0) {
      return sent.length > TlsKey.HEADER + HANDSHAKE_HEADER + VERSION_AND_RANDOM;
    }
    int id = sent[at] & 0xff;
    if (at + 1 + id > sent.length) {
      return false;
    }
    sessionId = Arrays.copyOfRange(sent, at + 1, at + 1 + id);
    at += 1 + id;
    at += 2 + int16(sent, at); // cipher suites
    at += 1 + (at < sent.length ? sent[at] & 0xff : 0); // compression
    int name = extension(sent, at + 2, SERVER_NAME);
    // List length, type, name's length, name.
    if (name >= 0 && name + 5 <= sent.length) {
      int length = int16(sent, name + 3);
      if (sent[name + 2] == 0 && name + 5 + length <= sent.length) {
        facts.serverName = new String(sent, name + 5, length, StandardCharsets.US_ASCII);
      }
    }
    return sent.length >= TlsKey.HEADER + int16(sent, 3);
  }

  private boolean serverHello() {
    while (received.length >= RECORD && isBefore()) {
      // What the client is to do, or a request for another hello, after which the real one comes.
      int end = TlsKey.HEADER + int16(received, 3);
      if (received.length < end) {
        return false;
      }
      received = Arrays.copyOfRange(received, end, received.length);
    }
    int length = received.length >= TlsKey.HEADER ? TlsKey.HEADER + int16(received, 3) : MAX;
    if (received.length < length) {
      return false;
    }
    int at = begin(received, TlsKey.SERVER_HELLO);
    if (at < 0) {
      return true; // an alert
    }
    int id = received[at] & 0xff;
    boolean sameId =
        id > 0
            && at + 1 + id <= received.length
            && Arrays.equals(sessionId, Arrays.copyOfRange(received, at + 1, at + 1 + id));
    at += 1 + id;
    facts.cipher = TlsCiphers.name(int16(received, at));
    int version = int16(received, TlsKey.HEADER + HANDSHAKE_HEADER);
    int extensions = at + 2 + 1 + 2;
    int newer = extension(received, extensions, SUPPORTED_VERSIONS);
    if (newer >= 0) {
      version = int16(received, newer);
    }
    // Since 1.3 the session id means nothing.
    facts.resumed = newer >= 0 ? extension(received, extensions, PRE_SHARED_KEY) >= 0 : sameId;
    int next = extension(received, extensions, ALPN);
    if (next >= 0 && next + 3 + (received[next + 2] & 0xff) <= received.length) {
      facts.nextProtocol =
          new String(received, next + 3, received[next + 2] & 0xff, StandardCharsets.US_ASCII);
    }
    facts.protocol = version == 0x301 ? "TLSv1" : "TLSv1." + (version - 0x301);
    return true;
  }

  /** Where an extension's data begins, -1 if there is none such. */
  private static int extension(byte[] hello, int begin, int wanted) {
    int at = begin;
    while (at + 4 <= hello.length) {
      if (int16(hello, at) == wanted) {
        return at + 4;
      }
      at += 4 + int16(hello, at + 2);
    }
    return -1;
  }

  /** Zero beyond the end. */
  private static int int16(byte[] data, int at) {
    return at + 2 <= data.length ? (data[at] & 0xff) << 8 | (data[at + 1] & 0xff) : 0;
  }
}
