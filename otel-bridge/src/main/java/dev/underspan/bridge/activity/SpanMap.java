package dev.underspan.bridge.activity;

import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.jspecify.annotations.Nullable;

/**
 * Activities by another tracer's span objects, which are told apart by identity and kept by nobody
 * for our sake. A look-up takes no lock and allocates nothing.
 */
public final class SpanMap {
  private final ConcurrentMap<Object, Activity> map = new ConcurrentHashMap<>();
  private final ReferenceQueue<Object> collected = new ReferenceQueue<>();

  /** Empty. */
  public SpanMap() {}

  /** A span, as weakly as everybody else here should hold it. */
  public static final class Key extends WeakReference<Object> {
    private final int hash;

    private Key(Object span, ReferenceQueue<Object> queue) {
      super(span, queue);
      hash = System.identityHashCode(span);
    }

    @Override
    public int hashCode() {
      return hash;
    }

    @Override
    public boolean equals(@Nullable Object other) {
      return this == other;
    }
  }

  /** What a thread looks for; its own, used again. */
  static final class Sought {
    private @Nullable Object span;
    private int hash;

    @Override
    public int hashCode() {
      return hash;
    }

    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Key key && key.refersTo(span);
    }
  }

  /** The activity of a span, null if it has none yet. */
  public @Nullable Activity get(ThreadState caller, Object span) {
    Sought sought = caller.sought;
    sought.span = span;
    sought.hash = System.identityHashCode(span);
    Activity found = map.get(sought);
    sought.span = null;
    return found;
  }

  /** What is to stand for a span. */
  public Key key(Object span) {
    return new Key(span, collected);
  }

  /** Notes a span's activity, and forgets those whose span is gone. */
  public void put(Key key, Activity activity) {
    Reference<?> gone = collected.poll();
    while (gone != null) {
      map.remove(gone);
      gone = collected.poll();
    }
    map.put(key, activity);
  }

  /** A span has ended: so that the collector has no work with it. */
  public void remove(Key key) {
    map.remove(key);
    key.clear();
  }

  /** How many are known. */
  public int size() {
    return map.size();
  }
}
