package dev.underspan.bridge.wire;

import static dev.underspan.bridge.wire.Feed.bytes;
import static dev.underspan.bridge.wire.Feed.hex;
import static dev.underspan.bridge.wire.Feed.join;

/** Pieces of the Kafka protocol, put together by its guide. */
final class KafkaBytes {
  /** ApiVersions version 3 of kafka-clients, correlation id 0. */
  static final byte[] API_VERSIONS =
      join(
          hex("0000002e 0012 0003 00000000 000a"),
          bytes("producer-1"),
          hex("00 12"),
          bytes("apache-kafka-java"),
          hex("06"),
          bytes("4.2.0"),
          hex("00"));

  /** Its answer, header version 0 as always: no error, Produce up to 13, no throttling. */
  static final byte[] API_VERSIONS_ANSWER =
      hex("00000013 00000000 0000 02 0000 0000 000d 00 00000000 00");

  private KafkaBytes() {}

  static byte[] int16(int n) {
    return new byte[] {(byte) (n >> 8), (byte) n};
  }

  static byte[] int32(int n) {
    return join(int16(n >> 16), int16(n));
  }

  static byte[] text(String latin1) {
    return join(int16(latin1.length()), bytes(latin1));
  }

  static byte[] compact(String latin1) {
    return join(varint(latin1.length() + 1), bytes(latin1));
  }

  static byte[] varint(int n) {
    return n < 128
        ? new byte[] {(byte) n}
        : join(new byte[] {(byte) ((n & 0x7f) | 0x80)}, varint(n >>> 7));
  }

  static byte[] frame(byte[]... parts) {
    byte[] all = join(parts);
    return join(int32(all.length), all);
  }

  static byte[] request(int key, int version, int correlation, String client, byte[]... body) {
    return frame(int16(key), int16(version), int32(correlation), text(client), join(body));
  }

  static byte[] response(int correlation, byte[]... body) {
    return frame(int32(correlation), join(body));
  }

  /** A record batch, magic 2, so many records in so many bytes. */
  static byte[] batch(int count, int bytes) {
    return batch(count, bytes, 0);
  }

  static byte[] batch(int count, int bytes, int attributes) {
    return join(
        new byte[8],
        int32(bytes + 49),
        int32(-1),
        new byte[] {2},
        int32(0x12345678),
        int16(attributes),
        int32(count - 1),
        new byte[16],
        new byte[] {-1, -1, -1, -1, -1, -1, -1, -1},
        int16(-1),
        int32(-1),
        int32(count),
        new byte[bytes]);
  }

  /** One topic's part of a classic Produce request. */
  static byte[] topic(String name, byte[]... partitions) {
    return join(text(name), int32(partitions.length), join(partitions));
  }

  static byte[] partition(int index, byte[]... batches) {
    byte[] records = join(batches);
    return join(int32(index), int32(records.length), records);
  }

  /** Produce version 7. */
  static byte[] produce(int correlation, int acks, byte[]... topics) {
    return request(
        0,
        7,
        correlation,
        "producer-1",
        int16(-1),
        int16(acks),
        int32(30_000),
        int32(topics.length),
        join(topics));
  }

  /** The answer to a Produce version 7 of one partition. */
  static byte[] produced(int correlation, String topic, int partition, int error) {
    return response(
        correlation,
        int32(1),
        topic(topic, join(int32(partition), int16(error), new byte[8], new byte[8], new byte[8])),
        int32(0));
  }

  /** Produce version 9, flexible, of one partition. */
  static byte[] produceFlexible(int correlation, String topic, int partition, byte[] records) {
    return request(
        0,
        9,
        correlation,
        "producer-1",
        hex("00 00"), // no tags, no transactional id
        int16(1),
        int32(30_000),
        varint(2),
        compact(topic),
        varint(2),
        int32(partition),
        varint(records.length + 1),
        records,
        hex("00 00 00"));
  }

  /** The answer to it. */
  static byte[] producedFlexible(int correlation, String topic, int partition, int error) {
    return response(
        correlation,
        hex("00"),
        varint(2),
        compact(topic),
        varint(2),
        int32(partition),
        int16(error),
        new byte[24],
        hex("01 00 00 00"), // no record errors, no message, tags of partition and topic
        int32(0),
        hex("00"));
  }

  /** Fetch version 11, a later one of a session: nothing new to ask. */
  static byte[] fetch(int correlation) {
    return request(
        1,
        11,
        correlation,
        "consumer-g-1",
        int32(-1),
        int32(500),
        int32(1),
        int32(1 << 20),
        hex("00"),
        int32(77),
        int32(5),
        int32(0),
        int32(0),
        text(""));
  }

  static byte[] fetched(int correlation, int error, byte[]... topics) {
    return response(
        correlation, int32(0), int16(error), int32(77), int32(topics.length), join(topics));
  }

  static byte[] fetchedPartition(int index, int error, byte[]... batches) {
    byte[] records = join(batches);
    return join(
        int32(index),
        int16(error),
        new byte[24],
        int32(-1), // no aborted transactions
        int32(-1),
        int32(records.length),
        records);
  }

  /** Metadata version 12 about a topic. */
  static byte[] metadata(int correlation) {
    return request(3, 12, correlation, "producer-1", hex("00 01 01 00 00"));
  }

  static byte[] described(int correlation, String topic, byte[] id) {
    return response(
        correlation,
        hex("00"),
        int32(0),
        hex("02"),
        int32(1),
        compact("localhost"),
        int32(9092),
        hex("00 00"),
        compact("cluster"),
        int32(1),
        hex("02"),
        int16(0),
        compact(topic),
        id,
        hex("00"),
        hex("02"),
        int16(0),
        int32(0),
        int32(1),
        int32(0),
        hex("02 00000001 02 00000001 01 00"),
        int32(Integer.MIN_VALUE),
        hex("00 00"));
  }
}
