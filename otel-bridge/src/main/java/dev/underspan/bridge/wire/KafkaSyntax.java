package dev.underspan.bridge.wire;

/**
 * Small pieces of the Kafka protocol (kafka.apache.org/protocol): a size of four bytes, then API
 * key, API version, correlation id, client id, body.
 */
final class KafkaSyntax {
  static final int PRODUCE = 0;
  static final int FETCH = 1;
  static final int METADATA = 3;
  static final int OFFSET_COMMIT = 8;
  static final int JOIN_GROUP = 11;
  static final int HEARTBEAT = 12;
  static final int SYNC_GROUP = 14;
  static final int CONSUMER_GROUP_HEARTBEAT = 68;

  /** Key, version, correlation id and the length of a client id. */
  static final int MIN_REQUEST = 10;

  // Brokers take 100 MiB unless they are told otherwise; four letters read as a size are more.
  static final long MAX_REQUEST = 1L << 28;
  // All but records are small.
  private static final long MAX_OTHER_REQUEST = 1L << 24;
  // Acks, timeout, the count of topics.
  private static final int MIN_PRODUCE = 7;
  private static final int MAX_CLIENT_ID = 1024;
  // Clients may be newer than the table.
  private static final int NEWER = 4;

  // The latest version by key as of Kafka 4.2; -1 is no request of a client.
  private static final byte[] LATEST = {
    13, 18, 11, 13, -1, -1, -1, -1, 10, 10, 6, 9, 4, 5, 5, 6, 5, 1, 4, 7, 6, 2, 6, 4, 5, 5, 5, 2, 3,
    3, 3, 4, 2, 2, 4, 2, 3, 3, 2, 2, 3, 2, 2, 1, 1, 1, 0, 0, 1, 1, 0, 0, 2, 1, 1, 2, 3, 2, 0, 1, 2,
    0, 4, 1, 0, 0, 2, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1, 1, 2, 2, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0
  };

  private KafkaSyntax() {}

  static int int16(byte[] data, int at) {
    return data[at] << 8 | (data[at + 1] & 0xff);
  }

  static int int32(byte[] data, int at) {
    return int16(data, at) << 16 | (int16(data, at + 2) & 0xffff);
  }

  private static boolean known(int key) {
    return key >= 0 && key < LATEST.length && LATEST[key] >= 0;
  }

  /** Is there such a request, as far as is known? */
  static boolean request(int key, int version) {
    if (!known(key)) {
      return false;
    }
    // Older ones have been out of use since 2017; by their small numbers others look like them.
    int eldest = key == PRODUCE ? 3 : key == FETCH ? 4 : 0;
    return version >= eldest && version <= LATEST[key] + NEWER;
  }

  /** Do the bytes begin with a request, as far as they were captured? */
  static Match request(byte[] data, int length, boolean whole) {
    if (length >= 1 && (data[0] & 0xff) > MAX_REQUEST >>> 24) {
      return Match.NO;
    }
    if (length < 4) {
      return Match.MAYBE;
    }
    long size = int32(data, 0);
    if (size < MIN_REQUEST || size > MAX_REQUEST) {
      return Match.NO;
    }
    if (length < 8) {
      return length < 6 || known(int16(data, 4)) ? Match.MAYBE : Match.NO;
    }
    int key = int16(data, 4);
    int version = int16(data, 6);
    if (!request(key, version) || (key != PRODUCE && size > MAX_OTHER_REQUEST)) {
      return Match.NO;
    }
    if (length < 14) {
      return length > 8 && data[8] < 0 ? Match.NO : Match.MAYBE;
    }
    int correlation = int32(data, 8);
    int client = int16(data, 12);
    if (correlation < 0
        || client < -1
        || client > MAX_CLIENT_ID
        || MIN_REQUEST + Math.max(0, client) > size) {
      return Match.NO;
    }
    if (client <= 0 && !(whole && length == size + 4)) {
      // Without a name only if nothing else contradicts.
      return Match.NO;
    }
    if (client > 0 && length > 14 && (data[14] & 0xC0) == 0x80) {
      return Match.NO; // UTF-8 does not begin like this
    }
    int body = 14 + Math.max(0, client);
    for (int i = 14; i < Math.min(body, length); i++) {
      if ((data[i] >= 0 && data[i] < ' ') || data[i] == 0x7f) {
        return Match.NO;
      }
    }
    return key != PRODUCE || produce(data, length, body, version) ? Match.YES : Match.NO;
  }

  /** Does a Produce request's body begin as one: transactional id, then acks of -1, 0 or 1? */
  private static boolean produce(byte[] data, int length, int from, int version) {
    boolean flexible = version >= KafkaMessage.PRODUCE_REQUEST.flexibleFrom();
    int at = flexible ? from + 1 : from;
    if (flexible && length > from && data[from] != 0) {
      return false;
    }
    if (length < at + 2) {
      return true;
    }
    int id;
    if (flexible) {
      id = (data[at] & 0xff) - 1;
      at += 1;
      if (id > 126) {
        return true; // a length of two bytes
      }
    } else {
      id = int16(data, at);
      at += 2;
    }
    if (id < -1) {
      return false;
    }
    at += Math.max(0, id);
    if (at + MIN_PRODUCE > int32(data, 0) + 4) {
      return false;
    }
    if (length < at + 2) {
      return true;
    }
    int acks = int16(data, at);
    return acks >= -1 && acks <= 1;
  }
}
