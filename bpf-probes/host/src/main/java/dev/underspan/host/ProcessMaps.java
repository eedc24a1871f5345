package dev.underspan.host;

import dev.underspan.abi.Layout;

/**
 * Descriptors of the maps that a process has of its own; -1 for those that the loaded set has no
 * use for. Types, keys and values as in the programs' maps.h and tcp.bpf.c, whose maps of maps take
 * nothing else.
 */
record ProcessMaps(int ledger, int events, int recent) {
  private static final int BPF_MAP_TYPE_QUEUE = 22;
  private static final int BPF_MAP_TYPE_RINGBUF = 27;
  private static final int BPF_F_MMAPABLE = 1 << 10;
  private static final int BPF_F_INNER_MAP = 1 << 12;

  /**
   * Creates them.
   *
   * @param slots how many threads can have an account at once
   * @param ringBytes size of the ring buffer; 0: neither it nor the table of requests is wanted
   */
  static ProcessMaps create(int slots, int ringBytes) throws ProbeException {
    int ledger = -1;
    int events = -1;
    try {
      ledger =
          map(
              LightSkeleton.BPF_MAP_TYPE_ARRAY,
              "ledger",
              4,
              Layout.Slot.SIZE,
              slots + 1,
              BPF_F_MMAPABLE | BPF_F_INNER_MAP);
      if (ringBytes == 0) {
        return new ProcessMaps(ledger, -1, -1);
      }
      events = map(BPF_MAP_TYPE_RINGBUF, "events", 0, 0, ringBytes, 0);
      int recent =
          map(
              LightSkeleton.BPF_MAP_TYPE_ARRAY,
              "recent",
              4,
              Layout.RecentRequest.SIZE,
              Layout.RECENT_REQUESTS,
              BPF_F_MMAPABLE);
      return new ProcessMaps(ledger, events, recent);
    } catch (ProbeException e) {
      Native.close(ledger);
      Native.close(events);
      throw e;
    }
  }

  /** Slots that were given back; nobody but the programs needs to know it. */
  static int createFreeSlots(int slots) throws ProbeException {
    return map(BPF_MAP_TYPE_QUEUE, "free_slots", 0, 4, slots, 0);
  }

  private static int map(int type, String name, int key, int value, int entries, int flags)
      throws ProbeException {
    int fd = LightSkeleton.createMap(type, name, key, value, entries, flags);
    if (fd < 0) {
      throw ProbeException.of("creating the BPF map " + name, -fd, "");
    }
    return fd;
  }

  /** As {@link #descriptors} gave them. */
  static ProcessMaps of(int[] descriptors) {
    return descriptors.length == 1
        ? new ProcessMaps(descriptors[0], -1, -1)
        : new ProcessMaps(descriptors[0], descriptors[1], descriptors[2]);
  }

  /** Those that there are. */
  int[] descriptors() {
    return events < 0 ? new int[] {ledger} : new int[] {ledger, events, recent};
  }

  /** What is mapped stays. */
  void close() {
    Native.close(ledger);
    Native.close(events);
    Native.close(recent);
  }
}
