package dev.underspan.runtime;

import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.BlockedWatcher;
import dev.underspan.bridge.enrich.ClientOwners;
import dev.underspan.bridge.enrich.ForeignSpans;
import dev.underspan.bridge.export.SelfCounter;
import dev.underspan.bridge.span.SocketServers;
import dev.underspan.bridge.wire.WireCounters;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What the agent did and lost. Each kind of loss is told once, when it is first seen, and all of
 * them at the end; metrics are made of the same counters.
 */
final class SelfReport {
  private final List<SelfCounter> counters = new CopyOnWriteArrayList<>();
  private int taken;
  private final Set<SelfCounter> told = ConcurrentHashMap.newKeySet();

  /** Those that were added since this was called last. */
  synchronized List<SelfCounter> takeNew() {
    List<SelfCounter> fresh = List.copyOf(counters.subList(taken, counters.size()));
    taken += fresh.size();
    return fresh;
  }

  private void count(String metric, String unit, @Nullable String reason, LongSupplier value) {
    counters.add(SelfCounter.of(metric, unit, reason, value));
  }

  private void loss(
      String metric, String unit, @Nullable String reason, LongSupplier value, String meaning) {
    counters.add(SelfCounter.lost(metric, unit, reason, meaning, value));
  }

  /** Counters of the kernel's programs. */
  void addKernel(KernelSide kernel) {
    count("underspan.events.seen", "{event}", null, of(kernel, "events_seen"));
    count("underspan.events.handled", "{event}", null, kernel::handled);
    loss(
        "underspan.events.lost",
        "{event}",
        "ring_full",
        of(kernel, "ring_full"),
        "socket events were dropped and client spans may be missing; raise underspan.ring.bytes");
    loss(
        "underspan.events.lost",
        "{event}",
        "unseen",
        of(kernel, "transfers_unseen"),
        "bytes went over sockets without an event (the kernel left out our program, or it was"
            + " sendfile before Linux 6.5), and client spans may be missing");
    // The first of these is told where it happens.
    count("underspan.events.lost", "{event}", "failed", kernel::failed);
    count("underspan.events.unread", "{event}", null, of(kernel, "payload_unreadable"));
    count("underspan.arrivals.merged", "{arrival}", null, of(kernel, "arrivals_merged"));
    count("underspan.accepts.unseen", "{connection}", null, of(kernel, "accepts_unseen"));
    loss(
        "underspan.ledger.refused",
        "{attempt}",
        null,
        of(kernel, "slots_exhausted"),
        "threads had no account since all slots were taken, and their spans no time by kind;"
            + " raise underspan.ledger.slots");
    loss(
        "underspan.connections.untracked",
        "{connection}",
        null,
        of(kernel, "connections_untracked"),
        "connections could not be followed: the kernel had no memory for them");
    loss(
        "underspan.tls.untracked",
        "{call}",
        null,
        of(kernel, "tls_untracked"),
        "calls over TLS in native code are missing: more sessions were open at once than are kept");
  }

  private static LongSupplier of(KernelSide kernel, String name) {
    return () -> kernel.probes().counters().getOrDefault(name, 0L);
  }

  /** Counters of the in-process side. */
  void addProcess(Activities activities, AdviceRuntime runtime, @Nullable BlockedWatcher blocked) {
    loss(
        "underspan.scopes.misused",
        "{scope}",
        null,
        activities::misusedScopes,
        "scopes were closed twice, out of order, on another thread or not at all;"
            + " their spans' time may be another's");
    count("underspan.instrumentation.failures", "{failure}", null, runtime::failures);
    if (blocked != null) {
      count("underspan.blocked.not_taken", "{stack}", null, blocked::notTaken);
    }
  }

  /** What the readers of wire protocols did and could not do. */
  void addWire(WireCounters wire) {
    wire.byName()
        .forEach(
            (name, counter) ->
                count(
                    "underspan.wire",
                    "{occurrence}",
                    name.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT),
                    counter::sum));
  }

  /** What was not told of servers that no advice knows. */
  void addServers(SocketServers servers) {
    count("underspan.server.dropped", "{request}", null, servers::dropped);
  }

  /** What was done for another tracer's spans. */
  void addForeign(ForeignSpans foreign, ClientOwners owners) {
    count("underspan.enrich.spans", "{span}", null, foreign::enriched);
    count("underspan.enrich.calls", "{call}", "owned", owners::owned);
    count("underspan.enrich.calls", "{call}", "without_span", owners::unowned);
    count("underspan.enrich.missed", "{span}", null, foreign::factsMissed);
  }

  /** Tells losses that were not told yet. */
  void tellNew() {
    for (SelfCounter counter : counters) {
      if (isLoss(counter) && told.add(counter)) {
        Log.warn(counter.loss() + " (told once; " + counter.label() + " counts them)");
      }
    }
  }

  private static boolean isLoss(SelfCounter counter) {
    return counter.loss() != null && counter.value().getAsLong() > 0;
  }

  /** The sums, at the end: what was lost, or everything. */
  void tellAll(boolean everything) {
    tellNew();
    List<SelfCounter> worth =
        counters.stream().filter(counter -> everything || isLoss(counter)).toList();
    if (!worth.isEmpty()) {
      Log.info(
          worth.stream()
              .map(counter -> counter.label() + "=" + counter.value().getAsLong())
              .collect(Collectors.joining(", ", "counted: ", "")));
    }
  }
}
