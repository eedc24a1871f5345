package dev.underspan.demo;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Received spans by trace, in memory, bounded: when full, the trace that began to arrive first goes
 * and its spans are counted as dropped. Safe for use by several threads.
 */
public final class TraceStore {
  /** Spans kept unless told otherwise. */
  public static final int DEFAULT_CAPACITY = 200_000;

  private final int capacity;
  private final Map<String, List<Span>> byTrace = new LinkedHashMap<>();
  private int held;
  private long received;
  private long dropped;

  public TraceStore() {
    this(DEFAULT_CAPACITY);
  }

  /**
   * A store that holds at most so many.
   *
   * @param capacity spans, at least 1
   */
  public TraceStore(int capacity) {
    if (capacity < 1) {
      throw new IllegalArgumentException("capacity " + capacity);
    }
    this.capacity = capacity;
  }

  /** Keeps the spans. */
  public synchronized void add(Collection<Span> spans) {
    for (Span span : spans) {
      received++;
      byTrace.computeIfAbsent(span.traceId(), k -> new ArrayList<>()).add(span);
      held++;
      while (held > capacity) {
        var oldest = byTrace.entrySet().iterator();
        int size = oldest.next().getValue().size();
        oldest.remove();
        held -= size;
        dropped += size;
      }
    }
  }

  /** Spans received since the store was made. */
  public synchronized long received() {
    return received;
  }

  /** Spans that had to go because the store was full. */
  public synchronized long dropped() {
    return dropped;
  }

  /** Spans held now. */
  public synchronized int size() {
    return held;
  }

  /** All traces held, in the order in which they began to arrive. */
  public List<Trace> traces() {
    List<List<Span>> copies = new ArrayList<>();
    synchronized (this) {
      for (List<Span> spans : byTrace.values()) {
        copies.add(List.copyOf(spans));
      }
    }
    List<Trace> traces = new ArrayList<>();
    for (List<Span> spans : copies) {
      traces.add(Trace.of(spans));
    }
    return traces;
  }

  /** All spans held, trace by trace. */
  public List<Span> spans() {
    return traces().stream().flatMap(trace -> trace.spans().stream()).toList();
  }

  /**
   * Waits until no span has come for a while.
   *
   * @param quiet how long none must have come
   * @param limit how long to wait at most
   */
  public void settle(Duration quiet, Duration limit) throws InterruptedException {
    long end = System.nanoTime() + limit.toNanos();
    long seen = received();
    long since = System.nanoTime();
    while (System.nanoTime() < end && System.nanoTime() - since < quiet.toNanos()) {
      Thread.sleep(50);
      if (received() != seen) {
        seen = received();
        since = System.nanoTime();
      }
    }
  }

  /** Forgets the spans held; the counts stay. */
  public synchronized void clear() {
    byTrace.clear();
    held = 0;
  }
}
