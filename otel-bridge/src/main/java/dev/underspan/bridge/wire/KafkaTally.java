package dev.underspan.bridge.wire;

import dev.underspan.bridge.wire.KafkaMessage.Name;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * What a Produce request, or the response to a Produce or Fetch, says of topics, partitions,
 * messages and errors. What is not certain for want of bytes is not said.
 */
final class KafkaTally implements KafkaDecoder.Sink {
  private static final UUID NO_ID = new UUID(0, 0);

  // A response may list partitions with neither records nor an error; they do not count.
  private final boolean all;
  private long acks = UNKNOWN;
  private long topicsSaid = UNKNOWN;
  private long partitionsSaid = UNKNOWN;
  private int topics;
  private int partitions;
  private @Nullable String topic;
  private UUID topicId = NO_ID;
  private long partition;
  private long messages;
  private boolean messagesUnknown;
  private int error;
  private boolean cut;
  // The topic and partition at hand.
  private boolean topicCounted;
  private @Nullable String nextTopic;
  private UUID nextTopicId = NO_ID;
  private boolean open;
  private long nextPartition;
  private int nextError;
  private long nextBytes;
  private long nextMessages;
  private boolean nextUnknown;

  static final long UNKNOWN = -2;

  KafkaTally(boolean all) {
    this.all = all;
  }

  @Override
  public void number(Name name, long value) {
    switch (name) {
      case ACKS -> acks = value;
      case PARTITION -> {
        open = true;
        nextPartition = value;
        nextError = 0;
        nextBytes = 0;
        nextMessages = 0;
        nextUnknown = false;
      }
      case ERROR -> {
        if (open) {
          nextError = (int) value;
        } else if (error == 0) {
          error = (int) value;
        }
      }
      default -> {}
    }
  }

  @Override
  public void text(Name name, @Nullable String value) {
    if (name == Name.TOPIC) {
      nextTopic = value;
    }
  }

  @Override
  public void uuid(Name name, long high, long low) {
    nextTopicId = new UUID(high, low);
  }

  @Override
  public void array(Name name, long count) {
    if (name == Name.TOPICS) {
      topicsSaid = count;
    } else if (name == Name.PARTITIONS && topicsSaid == 1) {
      partitionsSaid = count;
    }
  }

  @Override
  public void records(long bytes) {
    nextBytes = bytes;
  }

  @Override
  public void batch(long count) {
    if (count < 0) {
      nextUnknown = true;
    } else {
      nextMessages += count;
    }
  }

  @Override
  public void end(Name name) {
    if (name == Name.PARTITIONS) {
      partitionEnd();
    } else if (name == Name.TOPICS) {
      topicCounted = false;
    }
  }

  private void partitionEnd() {
    open = false;
    boolean records = nextMessages > 0 || (nextUnknown && nextBytes > 0);
    if (!all && !records && nextError == 0) {
      return;
    }
    if (!topicCounted) {
      topicCounted = true;
      if (++topics == 1) {
        topic = nextTopic;
        topicId = nextTopicId;
      }
    }
    if (++partitions == 1) {
      partition = nextPartition;
    }
    messages += nextMessages;
    messagesUnknown |= nextUnknown;
    if (error == 0) {
      error = nextError;
    }
  }

  /** The rest was not seen. */
  void cut() {
    if (!cut) {
      cut = true;
      nextUnknown = true;
      if (open) {
        partitionEnd();
      }
    }
  }

  boolean isCut() {
    return cut;
  }

  /** Were there records, or an error? */
  boolean any() {
    return topics > 0 || error != 0;
  }

  /** How many brokers shall acknowledge, -1 = all in sync; {@link #UNKNOWN} if not seen. */
  long acks() {
    return acks;
  }

  /** The topic, if there is exactly one and its name is known. */
  @Nullable String topic(KafkaNames names) {
    if (topics != 1 || (cut && topicsSaid != 1)) {
      return null;
    }
    return topicId.equals(NO_ID) ? topic : names.topic(topicId);
  }

  /** The partition, if there is exactly one; -1 otherwise. */
  int partition() {
    boolean one = topics == 1 && partitions == 1 && (!cut || partitionsSaid == 1);
    return one && partition >= 0 ? (int) partition : -1;
  }

  /** How many messages; -1 if that is not known. */
  long messages() {
    return cut || messagesUnknown ? -1 : messages;
  }

  /** The first error's code, 0 = none seen. */
  int error() {
    return error;
  }
}
