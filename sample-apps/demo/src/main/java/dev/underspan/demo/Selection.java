package dev.underspan.demo;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Picks the trace that is shown for a situation. The same traces give the same choice. */
final class Selection {
  private Selection() {}

  /**
   * The trace at the quantile of the durations, among those with all services and the most frequent
   * name of the root.
   *
   * @param quantile 0 to 1
   */
  static Optional<Trace> typical(List<Trace> traces, Set<String> services, double quantile) {
    List<Trace> whole = new ArrayList<>();
    Map<String, Integer> names = new HashMap<>();
    for (Trace trace : traces) {
      // With several roots a span is missing, and the sentence would be about a part.
      if (trace.services().containsAll(services)
          && trace.roots().size() == 1
          && !trace.main().orphan()) {
        whole.add(trace);
        names.merge(trace.main().span().name(), 1, Integer::sum);
      }
    }
    if (whole.isEmpty()) {
      return Optional.empty();
    }
    Map.Entry<String, Integer> frequent =
        names.entrySet().stream()
            .max(Map.Entry.<String, Integer>comparingByValue().thenComparing(Map.Entry::getKey))
            .orElseThrow();
    whole.removeIf(trace -> !trace.main().span().name().equals(frequent.getKey()));
    whole.sort(Comparator.comparingLong(Trace::durationNanos).thenComparing(Trace::id));
    int index = (int) Math.ceil(quantile * whole.size()) - 1;
    return Optional.of(whole.get(Math.max(0, Math.min(index, whole.size() - 1))));
  }

  /** The trace with the most services and spans, for want of a whole one. */
  static Optional<Trace> fullest(List<Trace> traces) {
    return traces.stream()
        .max(
            Comparator.comparingInt((Trace trace) -> trace.services().size())
                .thenComparingInt(trace -> trace.spans().size())
                .thenComparing(Trace::id));
  }
}
