package dev.underspan.demo;

import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What was received, summed over situations.
 *
 * @param requests requests sent
 * @param errors requests that failed
 * @param spans spans received
 * @param measured spans longer than 1 ms that were current on one thread at a time
 * @param addingUp those of {@code measured} whose kinds of time sum to the duration within 1 %
 * @param clients client spans
 * @param parented those of {@code clients} whose parent is in the same trace
 */
record Totals(
    long requests,
    long errors,
    long spans,
    long measured,
    long addingUp,
    long clients,
    long parented) {
  static final Totals NONE = new Totals(0, 0, 0, 0, 0, 0, 0);

  /** Adds a situation. */
  Totals plus(long moreRequests, long moreErrors, List<Trace> traces) {
    long newSpans = 0;
    long newMeasured = 0;
    long newAddingUp = 0;
    long newClients = 0;
    long newParented = 0;
    for (Trace trace : traces) {
      Set<String> ids = new HashSet<>();
      for (Span span : trace.spans()) {
        ids.add(span.spanId());
      }
      for (Span span : trace.spans()) {
        newSpans++;
        // On several threads at once the kinds sum to more than the duration, rightly.
        if (span.durationNanos() > 1_000_000 && span.number("underspan.time.threads") <= 1) {
          newMeasured++;
          newAddingUp += TimeAccount.of(span).addsUp() ? 1 : 0;
        }
        if (span.kind() == Span.Kind.CLIENT) {
          newClients++;
          newParented += ids.contains(span.parentId()) ? 1 : 0;
        }
      }
    }
    return new Totals(
        requests + moreRequests,
        errors + moreErrors,
        spans + newSpans,
        measured + newMeasured,
        addingUp + newAddingUp,
        clients + newClients,
        parented + newParented);
  }

  /** Lines for people. */
  String summary() {
    return requests
        + " requests ("
        + errors
        + " failed), "
        + spans
        + " spans received\n"
        + Units.percent(addingUp, measured)
        + " of "
        + measured
        + " spans longer than 1 ms: the kinds of time add up to the duration within 1 %\n"
        + Units.percent(parented, clients)
        + " of "
        + clients
        + " client spans: the parent is in the same trace\n";
  }
}
