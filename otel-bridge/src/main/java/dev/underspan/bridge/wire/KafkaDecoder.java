package dev.underspan.bridge.wire;

import dev.underspan.bridge.wire.KafkaMessage.Field;
import dev.underspan.bridge.wire.KafkaMessage.Kind;
import dev.underspan.bridge.wire.KafkaMessage.Name;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reads the fields of one message at a time as its bytes go by, in pieces of any size, and keeps
 * nothing but the field at hand. Bytes that nobody saw do no harm where they are skipped anyway, as
 * the inside of a record batch is; elsewhere they end the reading.
 */
final class KafkaDecoder {
  /** Takes what was read. */
  interface Sink {
    default void number(Name name, long value) {}

    /** A text, at most 256 bytes of it; null if it is null. */
    default void text(Name name, @Nullable String value) {}

    default void uuid(Name name, long high, long low) {}

    /** An array of so many begins. */
    default void array(Name name, long count) {}

    /** An element of an array is over. */
    default void end(Name name) {}

    /** Records of so many bytes begin. */
    default void records(long bytes) {}

    /** A batch of so many messages; -1 if it does not say. */
    default void batch(long messages) {}
  }

  private enum Step {
    NUMBER,
    UUID,
    LENGTH,
    VARINT,
    TEXT,
    SKIP,
    BATCH
  }

  /** What a varint is. */
  private enum Varint {
    LENGTH,
    TAGS,
    TAG,
    TAG_SIZE
  }

  private static final int MAX_DEPTH = 4;
  private static final int MAX_TEXT = 256;
  // Record batch, magic 2: offset 8, length 4, leader epoch 4, magic 1, checksum 4, attributes 2,
  // last offset delta 4, timestamps 16, producer id 8 and epoch 2, sequence 4, count of records 4.
  private static final int BATCH_HEADER = 61;
  private static final int COUNT_AT = 57;
  // As far as the magic is at the same place in all formats, and the attributes of 0 and 1.
  private static final int ANY_HEADER = 18;
  // Offset and length are not in the length.
  private static final int BATCH_PREFIX = 12;
  private static final int CONTROL = 0x20;

  private final Name[] names = new Name[MAX_DEPTH];
  private final List<List<Field>> structs =
      new ArrayList<>(Collections.nCopies(MAX_DEPTH, List.of()));
  private final int[] next = new int[MAX_DEPTH];
  private final long[] elements = new long[MAX_DEPTH];
  private final byte[] kept = new byte[MAX_TEXT];
  private int depth;
  private boolean flexible;
  private boolean active;
  private boolean broken;
  private Step step = Step.SKIP;
  private Varint varint = Varint.LENGTH;
  private Field field = KafkaMessage.tags().get(0);
  private Sink sink = new Sink() {};
  // Of the message, not yet seen.
  private long limit;
  private long value;
  private long high;
  private int need;
  private int shift;
  private int keptLength;
  private int keep;
  private long skip;
  private long tags;
  private long recordsLeft;
  private long batchLeft;

  /** Begins with a message of at most so many bytes. */
  void start(List<Field> fields, boolean flexible, long length, Sink sink) {
    this.flexible = flexible;
    this.sink = sink;
    depth = 0;
    structs.set(0, fields);
    names[0] = Name.NONE;
    next[0] = 0;
    elements[0] = 1;
    limit = length;
    active = true;
    broken = false;
    next();
  }

  /** Is there more to read? */
  boolean active() {
    return active;
  }

  /** Did the last message end before it was read, in bytes unseen or that cannot be? */
  boolean broken() {
    return broken;
  }

  private void fail() {
    broken = true;
    active = false;
  }

  /** Takes bytes as far as they are of the message; returns where it stopped. */
  int feed(byte[] data, int from, int to) {
    int at = from;
    while (at < to && active) {
      if (step == Step.SKIP) {
        int n = (int) Math.min(skip, to - at);
        at += n;
        skipped(n);
      } else {
        limit--;
        one(data[at++]);
      }
    }
    return at;
  }

  /** So many bytes of the message were not seen. */
  void hole(long n) {
    if (!active) {
      return;
    }
    if (step == Step.SKIP && skip >= n) {
      skipped(n);
    } else {
      fail();
    }
  }

  private void one(byte b) {
    switch (step) {
      case NUMBER, LENGTH -> {
        value = value << 8 | (b & 0xff);
        if (--need == 0) {
          if (step == Step.NUMBER) {
            sink.number(field.name(), signed(value));
            next();
          } else {
            length(field.kind() == Kind.TEXT ? (short) value : (int) value);
          }
        }
      }
      case UUID -> {
        value = value << 8 | (b & 0xff);
        need--;
        if (need == 8) {
          high = value;
        } else if (need == 0) {
          sink.uuid(field.name(), high, value);
          next();
        }
      }
      case VARINT -> {
        value |= (b & 0x7fL) << shift;
        shift += 7;
        if (b >= 0) {
          varint(value);
        } else if (shift > 28) {
          fail();
        }
      }
      case TEXT -> {
        kept[keptLength++] = b;
        skip--;
        if (keptLength == keep) {
          sink.text(field.name(), new String(kept, 0, keep, StandardCharsets.UTF_8));
          skip(skip);
        }
      }
      case BATCH -> {
        kept[keptLength++] = b;
        if (keptLength == keep) {
          batchHeader();
        }
      }
      case SKIP -> throw new AssertionError();
    }
  }

  private long signed(long unsigned) {
    return switch (field.kind()) {
      case INT8 -> (byte) unsigned;
      case INT16 -> (short) unsigned;
      case INT32 -> (int) unsigned;
      default -> unsigned;
    };
  }

  /** Goes on with the next field that has bytes. */
  private void next() {
    while (next[depth] == structs.get(depth).size()) {
      if (depth > 0) {
        sink.end(names[depth]);
      }
      if (--elements[depth] > 0) {
        next[depth] = 0;
      } else if (depth == 0) {
        active = false;
        return;
      } else {
        depth--;
      }
    }
    field = structs.get(depth).get(next[depth]++);
    value = 0;
    shift = 0;
    switch (field.kind()) {
      case INT8 -> fixed(Step.NUMBER, 1);
      case INT16 -> fixed(Step.NUMBER, 2);
      case INT32 -> fixed(Step.NUMBER, 4);
      case INT64 -> fixed(Step.NUMBER, 8);
      case UUID -> fixed(Step.UUID, 16);
      case TAGS -> varintOf(Varint.TAGS);
      case TEXT, ARRAY, INTS, RECORDS -> {
        if (flexible) {
          varintOf(Varint.LENGTH);
        } else {
          fixed(Step.LENGTH, field.kind() == Kind.TEXT ? 2 : 4);
        }
      }
    }
  }

  private void fixed(Step what, int bytes) {
    step = what;
    need = bytes;
  }

  private void varintOf(Varint what) {
    step = Step.VARINT;
    varint = what;
    value = 0;
    shift = 0;
  }

  private void varint(long n) {
    switch (varint) {
      case LENGTH -> length(n - 1);
      case TAGS -> {
        tags = n;
        tag();
      }
      case TAG -> varintOf(Varint.TAG_SIZE);
      case TAG_SIZE -> skip(n);
    }
  }

  private void tag() {
    if (tags > limit) {
      fail();
    } else if (tags-- > 0) {
      varintOf(Varint.TAG);
    } else {
      next();
    }
  }

  /** The length of a text, of records, or the count of an array; negative if it is null. */
  private void length(long n) {
    if (n > limit) {
      fail(); // each element has a byte at least
      return;
    }
    switch (field.kind()) {
      case TEXT -> {
        if (n <= 0 || field.name() == Name.NONE) {
          if (field.name() != Name.NONE) {
            sink.text(field.name(), n < 0 ? null : "");
          }
          skip(Math.max(0, n));
        } else {
          step = Step.TEXT;
          keep = (int) Math.min(n, MAX_TEXT);
          keptLength = 0;
          skip = n;
        }
      }
      case INTS -> skip(4 * Math.max(0, n));
      case ARRAY -> {
        sink.array(field.name(), Math.max(0, n));
        if (n > 0) {
          depth++;
          structs.set(depth, field.fields());
          names[depth] = field.name();
          elements[depth] = n;
          next[depth] = 0;
        }
        next();
      }
      case RECORDS -> {
        recordsLeft = Math.max(0, n);
        sink.records(recordsLeft);
        batch();
      }
      default -> throw new AssertionError(field);
    }
  }

  private void skip(long n) {
    step = Step.SKIP;
    skip = n;
    if (n > limit) {
      fail();
    } else if (n == 0) {
      skipped(0);
    }
  }

  private void skipped(long n) {
    skip -= n;
    limit -= n;
    if (skip > 0) {
      return;
    }
    switch (field.kind()) {
      case TAGS -> tag();
      case RECORDS -> batch();
      default -> next();
    }
  }

  private void batch() {
    if (recordsLeft == 0) {
      next();
    } else if (recordsLeft < ANY_HEADER) {
      rest(recordsLeft); // the broker may cut the last batch; clients ignore it
    } else {
      step = Step.BATCH;
      keptLength = 0;
      keep = ANY_HEADER;
    }
  }

  private void rest(long n) {
    recordsLeft -= n;
    skip(n);
  }

  private void batchHeader() {
    if (keptLength == ANY_HEADER) {
      recordsLeft -= keptLength;
      batchLeft = (long) KafkaSyntax.int32(kept, 8) + BATCH_PREFIX - keptLength;
      boolean newest = kept[16] >= 2;
      if (batchLeft < (newest ? BATCH_HEADER - ANY_HEADER : 0)) {
        fail();
      } else if (batchLeft > recordsLeft) {
        rest(recordsLeft);
      } else if (newest) {
        keep = BATCH_HEADER;
      } else {
        // A single message, or in formats 0 and 1 a compressed set of them.
        sink.batch((kept[17] & 7) == 0 ? 1 : -1);
        rest(batchLeft);
      }
    } else {
      recordsLeft -= BATCH_HEADER - ANY_HEADER;
      batchLeft -= BATCH_HEADER - ANY_HEADER;
      boolean control = (kept[22] & CONTROL) != 0;
      int count = KafkaSyntax.int32(kept, COUNT_AT);
      sink.batch(control ? 0 : Math.max(-1, count));
      rest(batchLeft);
    }
  }
}
