package dev.underspan.bridge.map;

import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.jspecify.annotations.Nullable;

/**
 * Values by objects that are told apart by identity and kept by nobody for our sake. Thread-safe; a
 * look-up takes no lock.
 */
public final class WeakIdentityMap<V> {
  private final ConcurrentMap<Object, V> map = new ConcurrentHashMap<>();
  private final ReferenceQueue<Object> collected = new ReferenceQueue<>();

  /** Empty. */
  public WeakIdentityMap() {}

  /** An object, as weakly as everybody else here should hold it. */
  public static final class Key extends WeakReference<Object> {
    private final int hash;

    private Key(Object object, ReferenceQueue<Object> queue) {
      super(object, queue);
      hash = System.identityHashCode(object);
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
      Object mine = get();
      return mine != null && other instanceof Key key && key.refersTo(mine);
    }
  }

  /** What is looked for; a thread can use its own again. */
  public static final class Sought {
    private @Nullable Object object;
    private int hash;

    /** Nothing yet. */
    public Sought() {}

    @Override
    public int hashCode() {
      return hash;
    }

    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Key key && key.refersTo(object);
    }
  }

  /** The object's value, null if it has none. */
  public @Nullable V get(Object object) {
    return get(new Sought(), object);
  }

  /** {@link #get(Object)} without an allocation. */
  public @Nullable V get(Sought sought, Object object) {
    sought.object = object;
    sought.hash = System.identityHashCode(object);
    V found = map.get(sought);
    sought.object = null;
    return found;
  }

  /** What is to stand for an object. */
  public Key key(Object object) {
    return new Key(object, collected);
  }

  /** Notes an object's value. */
  public void put(Key key, V value) {
    forgetCollected();
    map.put(key, value);
  }

  /** The value that the object has from now on: the one that it had, or else this. */
  public V putIfAbsent(Object object, V value) {
    forgetCollected();
    V before = map.putIfAbsent(key(object), value);
    return before == null ? value : before;
  }

  private void forgetCollected() {
    Reference<?> gone = collected.poll();
    while (gone != null) {
      map.remove(gone);
      gone = collected.poll();
    }
  }

  /** The object is of no interest any more: so that the collector has no work with it. */
  public void remove(Key key) {
    map.remove(key);
    key.clear();
  }

  /** How many are known. */
  public int size() {
    return map.size();
  }
}
