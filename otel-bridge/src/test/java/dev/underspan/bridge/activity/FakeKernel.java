package dev.underspan.bridge.activity;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import dev.underspan.abi.RecentRequests;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;
import java.util.concurrent.atomic.AtomicInteger;

/** A ledger in plain memory; each thread that enrols gets the next slot, until they run out. */
public final class FakeKernel implements Kernel {
  /** What the kernel would write. */
  public final ByteBuffer memory =
      ByteBuffer.allocateDirect((Layout.LEDGER_SLOTS + 1) * Layout.Slot.SIZE)
          .order(ByteOrder.nativeOrder());

  /** The latest request of each connection. */
  public final ByteBuffer requests =
      ByteBuffer.allocateDirect(Layout.RECENT_REQUESTS * Layout.RecentRequest.SIZE)
          .order(ByteOrder.nativeOrder());

  private final RecentRequests recent = new RecentRequests(requests);
  private final Ledger ledger = new Ledger(memory);
  private final AtomicInteger next = new AtomicInteger();
  private final int slots;

  /** As many slots as the ledger has. */
  public FakeKernel() {
    this(Layout.LEDGER_SLOTS);
  }

  /** So many slots. */
  public FakeKernel(int slots) {
    this.slots = slots;
  }

  @Override
  public String level() {
    return "kernel";
  }

  @Override
  public Ledger ledger() {
    return ledger;
  }

  @Override
  public RecentRequests recentRequests() {
    return recent;
  }

  @Override
  public int enrol() {
    int slot = next.incrementAndGet();
    return slot <= slots ? slot : -1;
  }

  /** How often a thread asked for a slot. */
  public int enrolments() {
    return next.get();
  }

  /** Trace id, span id, flags of a slot's head in hex, or "none". */
  public String head(int slot) {
    int at = slot * Layout.Slot.SIZE + Layout.Slot.HEAD;
    if (memory.get(at + Layout.TraceHead.VALID) == 0) {
      return "none";
    }
    byte[] bytes = new byte[24];
    memory.get(at, bytes);
    String ids = HexFormat.of().formatHex(bytes);
    return ids.substring(0, 32)
        + "-"
        + ids.substring(32)
        + "-"
        + HexFormat.of().toHexDigits(memory.get(at + Layout.TraceHead.FLAGS));
  }

  /** A byte of a slot's head. */
  public int headByte(int slot, int field) {
    return memory.get(slot * Layout.Slot.SIZE + Layout.Slot.HEAD + field);
  }

  /** The account as of lastNs: the state that time since then goes to, and the time by kind. */
  public void account(int slot, int state, long lastNs, long... ns) {
    int at = slot * Layout.Slot.SIZE + Layout.Slot.ACCOUNT;
    memory.put(at + Layout.Account.STATE, (byte) state);
    memory.putLong(at + Layout.Account.LAST_NS, lastNs);
    for (int kind = 0; kind < ns.length; kind++) {
      memory.putLong(at + Layout.Account.NS + 8 * kind, ns[kind]);
    }
  }
}
