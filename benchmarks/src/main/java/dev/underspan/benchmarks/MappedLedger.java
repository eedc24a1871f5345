package dev.underspan.benchmarks;

import dev.underspan.abi.Ledger;
import dev.underspan.abi.RecentRequests;
import dev.underspan.bridge.activity.Kernel;
import dev.underspan.host.KernelProbes;
import dev.underspan.host.ProbeException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/** The real kernel side: programs loaded and attached, the ledger in memory that they write to. */
final class MappedLedger implements Kernel, AutoCloseable {
  private final KernelProbes probes;

  private MappedLedger(KernelProbes probes) {
    this.probes = probes;
  }

  /** Needs root. */
  static MappedLedger open() {
    return new MappedLedger(load());
  }

  /** On a thread of its own: who opens becomes the agent's, and all that it starts. */
  static KernelProbes load() {
    FutureTask<KernelProbes> opening =
        new FutureTask<>(
            () -> KernelProbes.open(KernelProbes.DEFAULT_RING_BYTES, KernelProbes.DEFAULT_SLOTS));
    new Thread(opening, "opener").start();
    try {
      return opening.get();
    } catch (ExecutionException | InterruptedException e) {
      throw new IllegalStateException("no programs; run as root", e);
    }
  }

  @Override
  public String level() {
    return "kernel";
  }

  @Override
  public Ledger ledger() {
    return probes.ledger();
  }

  @Override
  public @Nullable RecentRequests recentRequests() {
    return probes.recentRequests();
  }

  @Override
  public int enrol() {
    try {
      return probes.enrol(false);
    } catch (ProbeException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    probes.close();
  }
}
