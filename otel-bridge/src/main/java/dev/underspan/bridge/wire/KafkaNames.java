package dev.underspan.bridge.wire;

import dev.underspan.bridge.map.BoundedMap;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Names that one Kafka connection says and another one needs: a client asks any broker for a
 * topic's id and then names the topic by it, and only the connection to the group's coordinator
 * carries the group. Bounded; the least recently used gives way.
 */
final class KafkaNames {
  /** Those of this process. Topic ids are unique whatever the cluster. */
  static final KafkaNames SHARED = new KafkaNames();

  private static final int MAX_TOPICS = 4096;
  private static final int MAX_GROUPS = 1024;
  private static final String AMBIGUOUS = "";

  private final Map<UUID, String> topics = BoundedMap.byUse(MAX_TOPICS);
  private final Map<String, String> groups = BoundedMap.byUse(MAX_GROUPS);

  synchronized void topic(UUID id, String name) {
    topics.put(id, name);
  }

  synchronized @Nullable String topic(UUID id) {
    return topics.get(id);
  }

  /** A client is of a group; two groups under one client id leave that id without. */
  synchronized void group(String clientId, String group) {
    String before = groups.get(clientId);
    if (before == null) {
      groups.put(clientId, group);
    } else if (!before.equals(group)) {
      groups.put(clientId, AMBIGUOUS);
    }
  }

  synchronized @Nullable String group(String clientId) {
    String group = groups.get(clientId);
    return AMBIGUOUS.equals(group) ? null : group;
  }
}
