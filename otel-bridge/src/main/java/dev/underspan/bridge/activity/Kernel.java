package dev.underspan.bridge.activity;

import dev.underspan.abi.Ledger;

/** What the kernel side gives to threads: the mapped ledger, and a slot for each. */
public interface Kernel {
  /** The mapped ledger. */
  Ledger ledger();

  /**
   * Enrols the calling thread, a virtual thread's carrier for a virtual one.
   *
   * @return its slot, or -1 when it can have none (counted by the kernel side)
   */
  int enrol();
}
