package dev.underspan.host;

import dev.underspan.abi.Layout;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The programs, loaded and attached once for any number of processes, each of which has a number
 * and maps of its own. All of it ends with {@link #close()} or with whoever has it, however that
 * ends: nothing is pinned.
 */
final class Programs implements AutoCloseable {
  /** Most processes at once; numbers are from 1. */
  static final int MAX_PROCESSES = Layout.LEDGER_PROCESSES - 1;

  private static final int BPF_OBJ_GET_INFO_BY_FD = 15;
  private static final long BPF_ANY = 0;
  private static final long BPF_NOEXIST = 1;
  private static final List<String> SCHEDULER =
      List.of("on_exit", "on_exit_again", "on_fork", "on_wakeup", "on_switch");
  private static final List<String> SOCKETS =
      List.of(
          "on_set_state",
          "on_set_state_again",
          "on_data_ready",
          "on_sent",
          "on_sent_again",
          "on_sent_v6",
          "on_received",
          "on_received_again",
          "on_received_v6");

  private final ProgramSet set;
  private final LightSkeleton skeleton;
  private final @Nullable ProbeException socketsMissing;
  private int admissions;
  // By the number of a process, its own: the end of an adopted connection is told to nobody else.
  private final Map<Integer, Integer> admissionOf = new HashMap<>();

  /**
   * Loads a set; nothing is attached yet.
   *
   * @param better why none that is preferred was taken; null if there was none to try
   */
  Programs(ProgramSet set, @Nullable ProbeException better) throws ProbeException {
    this.set = set;
    this.skeleton = LightSkeleton.load(set.id(), Map.of());
    this.socketsMissing =
        set.hasSockets()
            ? null
            : Objects.requireNonNullElseGet(better, () -> ProbeException.of("not asked for"));
    if (set == ProgramSet.FUNCTIONS) {
      tryAttaching();
    }
  }

  /**
   * That its functions cannot be traced (as on arm64 before 6.4), a kernel says only to who
   * attaches.
   */
  private void tryAttaching() throws ProbeException {
    try {
      skeleton.attach("on_data_ready");
      skeleton.detach("on_data_ready");
    } catch (ProbeException e) {
      close();
      throw e;
    }
  }

  /**
   * Loads the first whole set that the kernel takes. Nothing is attached yet.
   *
   * @throws ProbeException when not even accounts can be had
   */
  static Programs load() throws ProbeException {
    ProbeException first = null;
    ProbeException better = null;
    for (ProgramSet set : ProgramSet.preferences()) {
      try {
        return new Programs(set, better);
      } catch (ProbeException e) {
        if (first == null && (e.errno() == Errno.EPERM || e.errno() == Errno.ENOSYS)) {
          throw e; // the same awaits the others
        }
        better = first == null ? e : ProbeException.noSockets(first, e);
        first = first == null ? e : first;
      }
    }
    throw Objects.requireNonNull(first);
  }

  /** From now on they run. */
  void attach() throws ProbeException {
    attach(SCHEDULER);
    if (socketsMissing == null) {
      attach(SOCKETS);
    }
  }

  /** Those that are in this set, in order: a second program runs after the first. */
  private void attach(List<String> programs) throws ProbeException {
    for (String program : programs) {
      if (skeleton.has(program)) {
        skeleton.attach(program);
      }
    }
  }

  /** Which of the sets they are. */
  ProgramSet set() {
    return set;
  }

  LightSkeleton skeleton() {
    return skeleton;
  }

  /** Why there are no socket events; null when there are. */
  @Nullable ProbeException socketsMissing() {
    return socketsMissing;
  }

  /** Gives a number's maps to the programs; they keep them. */
  void put(int number, ProcessMaps maps, int slots) throws ProbeException {
    int admission = ++admissions;
    admissionOf.put(number, admission);
    int freeSlots = ProcessMaps.createFreeSlots(slots);
    try {
      set("free_slots", number, freeSlots);
    } finally {
      Native.close(freeSlots);
    }
    if (socketsMissing == null) {
      set("admissions", number, admission);
      set("events", number, maps.events());
      set("recent", number, maps.recent());
    }
    set("ledgers", number, maps.ledger()); // the last: with it the process is served
  }

  private void set(String map, int number, int value) throws ProbeException {
    int error =
        LightSkeleton.update(
            skeleton.map(map), number, Native.allocate(4).putInt(0, value), BPF_ANY);
    if (error < 0) {
      throw ProbeException.of("giving the programs a map of their " + map, -error, "");
    }
  }

  /** The number's process is served no more. */
  void remove(int number) {
    admissionOf.remove(number);
    LightSkeleton.delete(skeleton.map("ledgers"), number);
    LightSkeleton.delete(skeleton.map("free_slots"), number);
    if (socketsMissing == null) {
      LightSkeleton.delete(skeleton.map("events"), number);
      LightSkeleton.delete(skeleton.map("recent"), number);
    }
  }

  /**
   * Enrols all threads of a process, and those that they will start. Its maps may have been kept by
   * other programs before; threads then have the slots that they had.
   *
   * @param pidfd of the process
   */
  void admit(int number, int pidfd) throws ProbeException {
    step(number, Layout.ADMIT_BEGIN);
    ByteBuffer mark = Native.allocate(markSize()).putInt(0, number);
    int error = LightSkeleton.update(skeleton.map("threads"), pidfd, mark, BPF_ANY);
    if (error < 0) {
      throw ProbeException.of("marking the process", -error, "");
    }
    for (int i = 0; i < 2; i++) {
      skeleton.iterate("admit_threads");
    }
    step(number, Layout.ADMIT_SWEEP);
  }

  /**
   * Of the map "threads": a struct of the programs' own, of which the number is the first field.
   */
  private int markSize() throws ProbeException {
    // struct bpf_map_info: value_size at 12.
    ByteBuffer info = info(skeleton.map("threads"), 80);
    return info.getInt(12);
  }

  private void step(int number, int step) throws ProbeException {
    ByteBuffer arguments = Native.allocate(Layout.AdmitArgs.SIZE);
    arguments.putInt(Layout.AdmitArgs.PROCESS, number).putInt(Layout.AdmitArgs.STEP, step);
    int result = LightSkeleton.runProgram(skeleton.program("admit"), arguments);
    if (result != 0) {
      throw ProbeException.of("admitting a process", result < 0 ? -result : result, "");
    }
  }

  /**
   * Enrols the calling thread.
   *
   * @param agent true for a thread of the agent: neither it nor the threads it starts are observed
   * @param number the number that the calling process has from now on; 0 leaves the one it has
   * @param arguments EnrolArgs.SIZE bytes, to be used again
   * @return its slot, or -1 for an agent thread and when no slot is free (counted by the kernel)
   */
  int enrol(boolean agent, int number, ByteBuffer arguments) throws ProbeException {
    arguments.putInt(Layout.EnrolArgs.AGENT, agent ? 1 : 0);
    arguments.putInt(Layout.EnrolArgs.PROCESS, number);
    int result = LightSkeleton.runProgram(skeleton.program("enrol"), arguments);
    if (result < 0) {
      throw ProbeException.of("enrolling a thread", -result, "");
    }
    return arguments.getInt(Layout.EnrolArgs.SLOT);
  }

  /**
   * Makes a socket known that is older than the programs, so that arrivals on it are seen and a
   * listening one hands on to what it accepts. Nothing where it is known by now.
   */
  void adopt(int socket, int number) {
    Integer admission = admissionOf.get(number);
    if (socketsMissing != null || admission == null) {
      return;
    }
    int listening = Native.isListening(socket);
    if (listening < 0) {
      return;
    }
    ByteBuffer connection = Native.allocate(Layout.Connection.SIZE);
    connection.putInt(
        Layout.Connection.ROLE, listening == 1 ? Layout.ROLE_LISTENER : Layout.ROLE_UNKNOWN);
    connection.putInt(Layout.Connection.PROCESS, number);
    connection.putInt(Layout.Connection.ADMISSION, admission);
    LightSkeleton.update(skeleton.map("connections"), socket, connection, BPF_NOEXIST);
  }

  /**
   * The kernel's own statistics of each program: {run count, run time in nanoseconds}; zero unless
   * kernel.bpf_stats_enabled is set.
   */
  Map<String, long[]> statistics() {
    Map<String, long[]> statistics = new LinkedHashMap<>();
    for (List<String> group : List.of(SCHEDULER, SOCKETS)) {
      for (String program : group) {
        if (skeleton.has(program)) {
          // struct bpf_prog_info: run_time_ns at 192, run_cnt at 200.
          ByteBuffer info = info(skeleton.program(program), 232);
          statistics.put(program, new long[] {info.getLong(200), info.getLong(192)});
        }
      }
    }
    return statistics;
  }

  /** What the kernel says of a program or map; zeroes where it does not. */
  static ByteBuffer info(int fd, int size) {
    ByteBuffer info = Native.allocate(size);
    ByteBuffer attributes = Native.allocate(16);
    attributes.putInt(0, fd).putInt(4, size).putLong(8, Native.address(info));
    Native.bpf(BPF_OBJ_GET_INFO_BY_FD, attributes, info);
    return info;
  }

  @Override
  public void close() {
    skeleton.close();
  }
}
