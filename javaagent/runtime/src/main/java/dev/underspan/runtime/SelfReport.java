package dev.underspan.runtime;

import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.export.SelfCounter;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;

/**
 * What the agent did and lost. Each kind of loss is told once, when it is first seen, and all of
 * them at the end; metrics are made of the same counters.
 */
final class SelfReport {
  private final List<SelfCounter> counters = new ArrayList<>();
  private final Set<SelfCounter> told = new HashSet<>();

  void add(SelfCounter counter) {
    counters.add(counter);
  }

  List<SelfCounter> counters() {
    return List.copyOf(counters);
  }

  /** Counters of the kernel's programs. */
  void addKernel(KernelSide kernel) {
    add(SelfCounter.done("underspan.events.seen", "{event}", counted(kernel, "events_seen")));
    add(SelfCounter.done("underspan.events.handled", "{event}", kernel::handled));
    lostEvent(
        "ring_full",
        "socket events were dropped and client spans may be missing; raise underspan.ring.bytes",
        counted(kernel, "ring_full"));
    lostEvent(
        "payload_unreadable",
        "socket events came without their bytes (sendfile, io_uring) and were not parsed",
        counted(kernel, "payload_unreadable"));
    lostEvent(
        "failed",
        "socket events could not be handled; please report it with the line printed for the first",
        kernel::failed);
    add(
        SelfCounter.lost(
            "underspan.ledger.refused",
            "{attempt}",
            null,
            "threads had no account since all slots were taken, and their spans no time by kind;"
                + " raise underspan.ledger.slots",
            counted(kernel, "slots_exhausted")));
    add(
        SelfCounter.lost(
            "underspan.connections.untracked",
            "{connection}",
            null,
            "connections could not be followed: the kernel had no memory for them",
            counted(kernel, "connections_untracked")));
    add(
        SelfCounter.lost(
            "underspan.arrivals.merged",
            "{arrival}",
            null,
            "bytes arrived faster than they were read, and some arrivals are told too early",
            counted(kernel, "arrivals_merged")));
  }

  private void lostEvent(String reason, String meaning, LongSupplier value) {
    add(SelfCounter.lost("underspan.events.lost", "{event}", reason, meaning, value));
  }

  private static LongSupplier counted(KernelSide kernel, String name) {
    return () -> kernel.probes().counters().getOrDefault(name, 0L);
  }

  /** Counters of the in-process side. */
  void addProcess(Activities activities, AdviceRuntime runtime) {
    add(
        SelfCounter.lost(
            "underspan.scopes.misused",
            "{scope}",
            null,
            "scopes were closed twice, out of order, on another thread or not at all",
            activities::misusedScopes));
    add(
        SelfCounter.lost(
            "underspan.instrumentation.failures",
            "{failure}",
            null,
            "pieces of instrumentation failed; please report it with the line printed for the first",
            runtime::failures));
  }

  /** Tells losses that were not told yet. */
  void tellNew() {
    for (SelfCounter counter : counters) {
      if (counter.loss() != null && counter.value().getAsLong() > 0 && told.add(counter)) {
        Log.warn(counter.loss() + " (told once; " + counter.label() + " counts them)");
      }
    }
  }

  /** The sums, at the end: what was lost, or everything. */
  void tellAll(boolean everything) {
    List<SelfCounter> worth =
        counters.stream()
            .filter(c -> everything || (c.loss() != null && c.value().getAsLong() > 0))
            .toList();
    if (!worth.isEmpty()) {
      Log.info(
          worth.stream()
              .map(counter -> counter.label() + "=" + counter.value().getAsLong())
              .collect(Collectors.joining(", ", "counted: ", "")));
    }
  }
}
