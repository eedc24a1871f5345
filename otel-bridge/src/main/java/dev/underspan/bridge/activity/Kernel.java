package dev.underspan.bridge.activity;

import dev.underspan.abi.Ledger;
import dev.underspan.abi.RecentRequests;
import org.jspecify.annotations.Nullable;

/** What the kernel side gives to threads: the mapped ledger, and a slot for each. */
public interface Kernel {
  /** What {@code underspan.level} says of what it measured: {@code kernel} or {@code sidecar}. */
  String level();

  /** The mapped ledger. */
  Ledger ledger();

  /** Requests by connection; null where sockets are not seen. */
  @Nullable RecentRequests recentRequests();

  /**
   * Enrols the calling thread, a virtual thread's carrier for a virtual one.
   *
   * @return its slot, or -1 when it can have none (counted by the kernel side)
   */
  int enrol();
}
