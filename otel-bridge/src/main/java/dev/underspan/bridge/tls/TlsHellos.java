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
  private static final int HANDSHAKE = 0x16;
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
  private byte[] offer = NONE;
  private byte[] answer = NONE;
  private byte[] sessionId = NONE;
  private @Nullable TlsKey answerKey;
  private boolean offerDone;
  private boolean answerDone;
  private long lastNs;

  private TlsHellos() {}

  /**
   * Takes what a connection moved.
   *
   * @param known what is kept of the connection so far; null if there was no hello
   * @param ofClient which way the client's hello goes: SENT on connections that we made
   * @param secured whether it is known to carry application data, too
   * @return what is to be kept from now on
   */
  public static @Nullable TlsHellos feed(
      @Nullable TlsHellos known, Chunk chunk, Direction ofClient, boolean secured) {
    TlsHellos hellos = known;
    boolean clients = chunk.direction == ofClient;
    if (clients
        && (known == null || known.offerDone)
        && (TlsKey.hello(chunk.data, 0, chunk.length) == TlsKey.CLIENT_HELLO
            || (known == null && isHeader(chunk)))) {
      if (known != null && !known.answerDone) {
        known.offerDone = false; // asked for another one: it is the same handshake
        known.offer = NONE;
      } else {
        hellos = new TlsHellos();
        hellos.facts.helloNs = chunk.timeNs;
      }
    }
    if (hellos != null) {
      hellos.take(chunk, clients);
      if (!secured) {
        hellos.lastNs = chunk.timeNs;
      }
    }
    return hellos;
  }

  /** Some read a record's header by itself. */
  private static boolean isHeader(Chunk chunk) {
    return chunk.totalLength == TlsKey.HEADER
        && chunk.length == TlsKey.HEADER
        && chunk.data[0] == HANDSHAKE
        && TlsKey.bodyLength(chunk.data, 0) > 0;
  }

  private void take(Chunk chunk, boolean clients) {
    if (clients) {
      if (!offerDone) {
        offer = append(offer, chunk);
        offerDone = clientHello() || isCut(offer, chunk);
      }
    } else if (!answerDone) {
      answer = append(answer, chunk);
      answerDone = serverHello() || isCut(answer, chunk);
    }
    if (offerDone) {
      offer = NONE;
    }
    if (answerDone) {
      answer = NONE;
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

  /** Nothing more is to be known. */
  boolean isAnswered() {
    return answerDone;
  }

  /** The server's hello; null if none was seen. */
  @Nullable TlsKey answerKey() {
    return answerKey;
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

  /** The same of what was agreed on, by a handshake that is done. */
  void completeAgreed(TlsFacts told) {
    if (told.protocol == null) {
      told.cipher = facts.cipher;
      told.nextProtocol = facts.nextProtocol;
      told.protocol = facts.protocol;
    }
  }

  /** Where the hello's session id begins, -1 if the bytes are none of that type. */
  private static int begin(byte[] record, int type) {
    int at = TlsKey.HEADER + HANDSHAKE_HEADER + VERSION_AND_RANDOM;
    return TlsKey.hello(record, 0, record.length) == type && record.length > at ? at : -1;
  }

  private boolean isBefore() {
    return answer[0] == CHANGE_CIPHER_SPEC
        || (answer.length >= TlsKey.BYTES
            && TlsKey.hello(answer, 0, answer.length) == TlsKey.SERVER_HELLO
            && TlsKey.of(answer, 0, answer.length) == null);
  }

  private boolean clientHello() {
    int at = begin(offer, TlsKey.CLIENT_HELLO);
    if (at < 0) {
      return offer.length > TlsKey.HEADER + HANDSHAKE_HEADER + VERSION_AND_RANDOM;
    }
    int id = offer[at] & 0xff;
    if (at + 1 + id > offer.length) {
      return false;
    }
    sessionId = Arrays.copyOfRange(offer, at + 1, at + 1 + id);
    at += 1 + id;
    at += 2 + int16(offer, at); // cipher suites
    at += 1 + (at < offer.length ? offer[at] & 0xff : 0); // compression
    int name = extension(offer, at + 2, SERVER_NAME);
    // List length, type, name's length, name.
    if (name >= 0 && name + 5 <= offer.length) {
      int length = int16(offer, name + 3);
      if (offer[name + 2] == 0 && name + 5 + length <= offer.length) {
        facts.serverName = new String(offer, name + 5, length, StandardCharsets.US_ASCII);
      }
    }
    return offer.length >= TlsKey.HEADER + int16(offer, 3);
  }

  private boolean serverHello() {
    while (answer.length >= RECORD && isBefore()) {
      // What the client is to do, or a request for another hello, after which the real one comes.
      int end = TlsKey.HEADER + int16(answer, 3);
      if (answer.length < end) {
        return false;
      }
      answer = Arrays.copyOfRange(answer, end, answer.length);
    }
    int length = answer.length >= TlsKey.HEADER ? TlsKey.HEADER + int16(answer, 3) : MAX;
    if (answer.length < length) {
      return false;
    }
    int at = begin(answer, TlsKey.SERVER_HELLO);
    if (at < 0) {
      return true; // an alert
    }
    answerKey = TlsKey.of(answer, 0, answer.length);
    int id = answer[at] & 0xff;
    boolean sameId =
        id > 0
            && at + 1 + id <= answer.length
            && Arrays.equals(sessionId, Arrays.copyOfRange(answer, at + 1, at + 1 + id));
    at += 1 + id;
    facts.cipher = TlsCiphers.name(int16(answer, at));
    int version = int16(answer, TlsKey.HEADER + HANDSHAKE_HEADER);
    int extensions = at + 2 + 1 + 2;
    int newer = extension(answer, extensions, SUPPORTED_VERSIONS);
    if (newer >= 0) {
      version = int16(answer, newer);
    }
    // Since 1.3 the session id means nothing.
    facts.resumed = newer >= 0 ? extension(answer, extensions, PRE_SHARED_KEY) >= 0 : sameId;
    int next = extension(answer, extensions, ALPN);
    if (next >= 0 && next + 3 + (answer[next + 2] & 0xff) <= answer.length) {
      facts.nextProtocol =
          new String(answer, next + 3, answer[next + 2] & 0xff, StandardCharsets.US_ASCII);
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
