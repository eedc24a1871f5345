package dev.underspan.bridge.wire;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The messages of Kafka that are read, field by field, as its own definitions have them
 * (clients/src/main/resources/common/message/*.json). Fields after the last one of interest are
 * left out. In flexible versions (KIP-482) lengths are varints and each struct ends with tagged
 * fields.
 */
final class KafkaMessage {
  /** What a field is to the reader; those of no interest are {@link #NONE}. */
  enum Name {
    NONE,
    KEY,
    VERSION,
    CORRELATION,
    CLIENT,
    GROUP,
    ACKS,
    TOPICS,
    TOPIC,
    TOPIC_ID,
    PARTITIONS,
    PARTITION,
    ERROR,
    RECORDS
  }

  enum Kind {
    INT8,
    INT16,
    INT32,
    INT64,
    UUID,
    TEXT,
    /** Array of structs. */
    ARRAY,
    /** Array of four byte integers. */
    INTS,
    RECORDS,
    TAGS
  }

  /** A field and in which versions it is there. */
  record Field(Kind kind, Name name, int since, int until, List<Field> fields) {
    Field since(int version) {
      return new Field(kind, name, version, until, fields);
    }

    Field until(int version) {
      return new Field(kind, name, since, version, fields);
    }
  }

  private static final int ALWAYS = Integer.MAX_VALUE;
  private static final Field TAGS = new Field(Kind.TAGS, Name.NONE, 0, ALWAYS, List.of());

  /** What each request begins with; its text is never compact (KIP-482). */
  static final List<Field> REQUEST_HEADER =
      List.of(int16(Name.KEY), int16(Name.VERSION), int32(Name.CORRELATION), text(Name.CLIENT));

  /** What each response begins with. */
  static final List<Field> RESPONSE_HEADER = List.of(int32(Name.CORRELATION));

  static final KafkaMessage PRODUCE_REQUEST =
      new KafkaMessage(
          0,
          13,
          9,
          text(Name.NONE).since(3), // transactional id
          int16(Name.ACKS),
          int32(Name.NONE), // timeout
          array(
              Name.TOPICS,
              text(Name.TOPIC).until(12),
              uuid(Name.TOPIC_ID).since(13),
              array(Name.PARTITIONS, int32(Name.PARTITION), records())));

  static final KafkaMessage PRODUCE_RESPONSE =
      new KafkaMessage(
          0,
          13,
          9,
          array(
              Name.TOPICS,
              text(Name.TOPIC).until(12),
              uuid(Name.TOPIC_ID).since(13),
              array(
                  Name.PARTITIONS,
                  int32(Name.PARTITION),
                  int16(Name.ERROR),
                  int64(Name.NONE), // base offset
                  int64(Name.NONE).since(2), // append time
                  int64(Name.NONE).since(5), // log start offset
                  array(Name.NONE, int32(Name.NONE), text(Name.NONE)).since(8), // record errors
                  text(Name.NONE).since(8)))); // error message

  static final KafkaMessage FETCH_RESPONSE =
      new KafkaMessage(
          0,
          18,
          12,
          int32(Name.NONE).since(1), // throttle time
          int16(Name.ERROR).since(7),
          int32(Name.NONE).since(7), // session
          array(
              Name.TOPICS,
              text(Name.TOPIC).until(12),
              uuid(Name.TOPIC_ID).since(13),
              array(
                  Name.PARTITIONS,
                  int32(Name.PARTITION),
                  int16(Name.ERROR),
                  int64(Name.NONE), // high watermark
                  int64(Name.NONE).since(4), // last stable offset
                  int64(Name.NONE).since(5), // log start offset
                  array(Name.NONE, int64(Name.NONE), int64(Name.NONE)).since(4), // aborted
                  int32(Name.NONE).since(11), // preferred replica
                  records())));

  /** Before version 10 it has no topic ids and is of no use. */
  static final KafkaMessage METADATA_RESPONSE =
      new KafkaMessage(
          10,
          13,
          9,
          int32(Name.NONE).since(3), // throttle time
          array(
              Name.NONE, // brokers: id, host, port, rack
              int32(Name.NONE),
              text(Name.NONE),
              int32(Name.NONE),
              text(Name.NONE).since(1)),
          text(Name.NONE).since(2), // cluster
          int32(Name.NONE).since(1), // controller
          array(
              Name.TOPICS,
              int16(Name.NONE), // error
              text(Name.TOPIC),
              uuid(Name.TOPIC_ID).since(10),
              int8(Name.NONE).since(1), // internal
              array(
                  Name.NONE, // error, partition, leader, its epoch, replicas
                  int16(Name.NONE),
                  int32(Name.NONE),
                  int32(Name.NONE),
                  int32(Name.NONE).since(7),
                  ints(),
                  ints(),
                  ints().since(5)),
              int32(Name.NONE).since(8))); // operations allowed

  private static final KafkaMessage OFFSET_COMMIT = new KafkaMessage(0, 10, 8, text(Name.GROUP));
  private static final KafkaMessage JOIN_GROUP = new KafkaMessage(0, 9, 6, text(Name.GROUP));
  private static final KafkaMessage HEARTBEAT = new KafkaMessage(0, 4, 4, text(Name.GROUP));
  private static final KafkaMessage SYNC_GROUP = new KafkaMessage(0, 5, 4, text(Name.GROUP));
  private static final KafkaMessage CONSUMER_GROUP_HEARTBEAT =
      new KafkaMessage(0, 1, 0, text(Name.GROUP));

  private final int flexibleFrom;
  private final List<@Nullable List<Field>> byVersion = new ArrayList<>();

  private KafkaMessage(int eldest, int latest, int flexibleFrom, Field... fields) {
    this.flexibleFrom = flexibleFrom;
    for (int version = 0; version <= latest; version++) {
      byVersion.add(version < eldest ? null : of(List.of(fields), version, false));
    }
  }

  private List<Field> of(List<Field> fields, int version, boolean whole) {
    List<Field> result = new ArrayList<>();
    for (Field field : fields) {
      if (version >= field.since && version <= field.until) {
        boolean struct = field.kind == Kind.ARRAY;
        List<Field> inner = struct ? of(field.fields, version, true) : List.of();
        result.add(new Field(field.kind, field.name, 0, ALWAYS, inner));
      }
    }
    if (whole && flexible(version)) {
      result.add(TAGS);
    }
    return List.copyOf(result);
  }

  /** The request body that is read of an API; null if none. */
  static @Nullable KafkaMessage request(int key) {
    return switch (key) {
      case KafkaSyntax.PRODUCE -> PRODUCE_REQUEST;
      case KafkaSyntax.OFFSET_COMMIT -> OFFSET_COMMIT;
      case KafkaSyntax.JOIN_GROUP -> JOIN_GROUP;
      case KafkaSyntax.HEARTBEAT -> HEARTBEAT;
      case KafkaSyntax.SYNC_GROUP -> SYNC_GROUP;
      case KafkaSyntax.CONSUMER_GROUP_HEARTBEAT -> CONSUMER_GROUP_HEARTBEAT;
      default -> null;
    };
  }

  /** The response body that is read of an API; null if none. */
  static @Nullable KafkaMessage response(int key) {
    return switch (key) {
      case KafkaSyntax.PRODUCE -> PRODUCE_RESPONSE;
      case KafkaSyntax.FETCH -> FETCH_RESPONSE;
      case KafkaSyntax.METADATA -> METADATA_RESPONSE;
      default -> null;
    };
  }

  int flexibleFrom() {
    return flexibleFrom;
  }

  boolean flexible(int version) {
    return version >= flexibleFrom;
  }

  /** Is the version newer than what is read? */
  boolean unknown(int version) {
    return version >= byVersion.size();
  }

  /** The fields of a version, without the header; null if the version is not read. */
  @Nullable List<Field> fields(int version) {
    return version < 0 || version >= byVersion.size() ? null : byVersion.get(version);
  }

  /** Tagged fields alone, the end of a flexible header. */
  static List<Field> tags() {
    return List.of(TAGS);
  }

  private static Field field(Kind kind, Name name) {
    return new Field(kind, name, 0, ALWAYS, List.of());
  }

  private static Field int8(Name name) {
    return field(Kind.INT8, name);
  }

  private static Field int16(Name name) {
    return field(Kind.INT16, name);
  }

  private static Field int32(Name name) {
    return field(Kind.INT32, name);
  }

  private static Field int64(Name name) {
    return field(Kind.INT64, name);
  }

  private static Field uuid(Name name) {
    return field(Kind.UUID, name);
  }

  private static Field text(Name name) {
    return field(Kind.TEXT, name);
  }

  private static Field ints() {
    return field(Kind.INTS, Name.NONE);
  }

  private static Field records() {
    return field(Kind.RECORDS, Name.RECORDS);
  }

  private static Field array(Name name, Field... fields) {
    return new Field(Kind.ARRAY, name, 0, ALWAYS, List.of(fields));
  }
}
