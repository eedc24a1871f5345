package dev.underspan.bridge.activity;

import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * States of virtual threads by thread id. Looking one up takes no lock, allocates nothing and loads
 * no class, so that it may be done around a mount. Buckets are immutable chains.
 */
final class VirtualThreads {
  private static final int BUCKETS = 1 << 14;

  private final AtomicReferenceArray<@Nullable Node> buckets = new AtomicReferenceArray<>(BUCKETS);

  private record Node(ThreadState state, @Nullable Node next) {}

  private static int bucket(long threadId) {
    return (int) (threadId & (BUCKETS - 1));
  }

  @Nullable ThreadState get(long threadId) {
    for (Node node = buckets.get(bucket(threadId)); node != null; node = node.next) {
      if (node.state.threadId == threadId) {
        return node.state;
      }
    }
    return null;
  }

  void forEach(Consumer<ThreadState> action) {
    for (int bucket = 0; bucket < BUCKETS; bucket++) {
      for (Node node = buckets.get(bucket); node != null; node = node.next) {
        action.accept(node.state);
      }
    }
  }

  void put(ThreadState state) {
    int bucket = bucket(state.threadId);
    Node head;
    do {
      head = buckets.get(bucket);
    } while (!buckets.compareAndSet(bucket, head, new Node(state, head)));
  }

  void remove(long threadId) {
    int bucket = bucket(threadId);
    Node head;
    do {
      head = buckets.get(bucket);
      if (head == null) {
        return;
      }
    } while (!buckets.compareAndSet(bucket, head, without(head, threadId)));
  }

  private static @Nullable Node without(@Nullable Node from, long threadId) {
    Node kept = null;
    for (Node node = from; node != null; node = node.next) {
      if (node.state.threadId != threadId) {
        kept = new Node(node.state, kept);
      }
    }
    return kept;
  }
}
