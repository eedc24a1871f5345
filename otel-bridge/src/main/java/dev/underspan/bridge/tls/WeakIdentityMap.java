package dev.underspan.bridge.tls;

import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** Keeps values with objects, by identity, as long as these live. Reading takes no lock. */
final class WeakIdentityMap<K, V> {
  private final ConcurrentHashMap<Object, V> map = new ConcurrentHashMap<>();
  private final ReferenceQueue<K> gone = new ReferenceQueue<>();

  @Nullable V get(K key) {
    return map.get(new Probe(key));
  }

  /** The value that is there from now on. */
  V putIfAbsent(K key, V value) {
    for (Reference<? extends K> r = gone.poll(); r != null; r = gone.poll()) {
      map.remove(r);
    }
    V before = map.putIfAbsent(new Key<>(key, gone), value);
    return before == null ? value : before;
  }

  private static final class Key<K> extends WeakReference<K> {
    private final int hash;

    Key(K referent, ReferenceQueue<K> queue) {
      super(referent, queue);
      hash = System.identityHashCode(referent);
    }

    @Override
    public int hashCode() {
      return hash;
    }

    @Override
    public boolean equals(@Nullable Object other) {
      if (this == other) {
        return true;
      }
      K mine = get();
      return mine != null && other instanceof Key<?> key && key.get() == mine;
    }
  }

  private static final class Probe {
    private final Object referent;

    Probe(Object referent) {
      this.referent = referent;
    }

    @Override
    public int hashCode() {
      return System.identityHashCode(referent);
    }

    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Key<?> key && key.get() == referent;
    }
  }
}
