package dev.underspan.bridge.map;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/** A map of bounded size: when it is full, an entry gives way to the next. Not thread-safe. */
public final class BoundedMap<K, V> extends LinkedHashMap<K, V> {
  private static final long serialVersionUID = 1;
  private final int max;
  private final transient Consumer<? super V> gaveWay;

  private BoundedMap(int max, boolean byUse, Consumer<? super V> gaveWay) {
    super(16, 0.75f, byUse);
    this.max = max;
    this.gaveWay = gaveWay;
  }

  /** Of at most so many entries; the one that was put first gives way. */
  public static <K, V> BoundedMap<K, V> byAge(int max) {
    return byAge(max, value -> {});
  }

  /** The same, and tells of the value that gave way. */
  public static <K, V> BoundedMap<K, V> byAge(int max, Consumer<? super V> gaveWay) {
    return new BoundedMap<>(max, false, gaveWay);
  }

  /** Of at most so many entries; the least recently used gives way. */
  public static <K, V> BoundedMap<K, V> byUse(int max) {
    return byUse(max, value -> {});
  }

  /** The same, and tells of the value that gave way. */
  public static <K, V> BoundedMap<K, V> byUse(int max, Consumer<? super V> gaveWay) {
    return new BoundedMap<>(max, true, gaveWay);
  }

  @Override
  protected boolean removeEldestEntry(Map.Entry<K, V> eldest) {
    boolean full = size() > max;
    if (full) {
      gaveWay.accept(eldest.getValue());
    }
    return full;
  }
}
