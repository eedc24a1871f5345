package dev.underspan.demo;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The spans of one trace as a forest: normally one root; spans whose parent never arrived are
 * further roots, marked as orphans. Children are sorted by start.
 */
public final class Trace {

  /**
   * A span in the tree.
   *
   * @param orphan the span names a parent that is not in the trace (or the parents form a circle)
   */
  public record Node(Span span, List<Node> children, boolean orphan) {
    /** This node and all below it. */
    public int size() {
      int size = 1;
      for (Node child : children) {
        size += child.size();
      }
      return size;
    }
  }

  private static final Comparator<Span> BY_START =
      Comparator.comparingLong(Span::startNanos)
          .thenComparing(Comparator.comparingLong(Span::durationNanos).reversed())
          .thenComparing(Span::spanId);

  private final String id;
  private final List<Span> spans;
  private final List<Node> roots;
  private final Node main;

  private Trace(String id, List<Span> spans, List<Node> roots, Node main) {
    this.id = id;
    this.spans = spans;
    this.roots = roots;
    this.main = main;
  }

  /** Builds the tree; a span id that comes twice counts once. */
  public static Trace of(Collection<Span> received) {
    if (received.isEmpty()) {
      throw new IllegalArgumentException("a trace has at least one span");
    }
    List<Span> sorted = new ArrayList<>(received);
    sorted.sort(BY_START);
    Map<String, Span> byId = new HashMap<>();
    List<Span> spans = new ArrayList<>();
    for (Span span : sorted) {
      if (byId.putIfAbsent(span.spanId(), span) == null) {
        spans.add(span);
      }
    }
    Map<String, List<Span>> byParent = new HashMap<>();
    List<Node> roots = new ArrayList<>();
    List<Span> tops = new ArrayList<>();
    for (Span span : spans) {
      if (byId.containsKey(span.parentId())) {
        byParent.computeIfAbsent(span.parentId(), k -> new ArrayList<>()).add(span);
      } else {
        tops.add(span);
      }
    }
    Set<String> placed = new HashSet<>();
    for (Span top : tops) {
      roots.add(node(top, byParent, placed, !top.parentId().isEmpty()));
    }
    for (Span span : spans) {
      // Only a circle of parents leaves a span unplaced: cut it at its first span.
      if (!placed.contains(span.spanId())) {
        roots.add(node(span, byParent, placed, true));
      }
    }
    Node main = roots.get(0);
    for (Node root : roots) {
      boolean better =
          main.orphan() == root.orphan()
              ? root.span().durationNanos() > main.span().durationNanos()
              : main.orphan();
      if (better) {
        main = root;
      }
    }
    roots.remove(main);
    roots.add(0, main);
    return new Trace(main.span().traceId(), List.copyOf(spans), List.copyOf(roots), main);
  }

  private static Node node(
      Span span, Map<String, List<Span>> byParent, Set<String> placed, boolean orphan) {
    placed.add(span.spanId());
    List<Node> children = new ArrayList<>();
    for (Span child : byParent.getOrDefault(span.spanId(), List.of())) {
      if (!placed.contains(child.spanId())) {
        children.add(node(child, byParent, placed, false));
      }
    }
    return new Node(span, List.copyOf(children), orphan);
  }

  /** The trace id, 32 hex digits. */
  public String id() {
    return id;
  }

  /** All spans by start. */
  public List<Span> spans() {
    return spans;
  }

  /** The main root first, then orphans by start. */
  public List<Node> roots() {
    return roots;
  }

  /** The longest root without a parent; if every root is an orphan, the longest of them. */
  public Node main() {
    return main;
  }

  /** Duration of the main root in nanoseconds. */
  public long durationNanos() {
    return main.span().durationNanos();
  }

  /** Names of the services in the trace, sorted. */
  public Set<String> services() {
    Set<String> services = new TreeSet<>();
    for (Span span : spans) {
      services.add(span.service());
    }
    return services;
  }
}
