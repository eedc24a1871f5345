package dev.underspan.host;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import dev.underspan.abi.RecentRequests;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The kernel side of this process: programs loaded and attached, ledger and events mapped. All of
 * it ends with {@link #close()} or with the process, however that ends: nothing is pinned.
 */
public final class KernelProbes implements AutoCloseable {
  /** Default size of the ring buffer, bytes. */
  public static final int DEFAULT_RING_BYTES = 4 << 20;

  /** Default number of slots of the ledger. */
  public static final int DEFAULT_SLOTS = Layout.LEDGER_SLOTS;

  /** Most slots that a ledger can have. */
  public static final int MAX_SLOTS = 65_536;

  private static final int BPF_OBJ_GET_INFO_BY_FD = 15;
  private static final long BPF_NOEXIST = 1;
  private static final List<String> SOCKETS =
      List.of("on_set_state", "on_data_ready", "on_sent", "on_received");
  private static final List<String> SCHEDULER =
      List.of("on_exit", "on_fork", "on_wakeup", "on_switch");

  private final LightSkeleton skeleton;
  private final Ledger ledger;
  private final ByteBuffer globals;
  private final @Nullable RingReader events;
  private final @Nullable RecentRequests recent;
  private final @Nullable ProbeException socketsMissing;
  private final ThreadLocal<ByteBuffer> enrolArguments =
      ThreadLocal.withInitial(() -> Native.allocate(Layout.EnrolArgs.SIZE));

  private @Nullable TlsLibraries tlsLibraries;
  private @Nullable Libjvm libjvm;
  private @Nullable ProbeException safepointsMissing;
  private JavaMonitors monitors = JavaMonitors.UNKNOWN;

  private KernelProbes(
      LightSkeleton skeleton, int ringBytes, int slots, @Nullable ProbeException socketsMissing)
      throws ProbeException {
    this.skeleton = skeleton;
    this.socketsMissing = socketsMissing;
    this.globals = Native.mmap(skeleton.map("bss"), 4096, 0, Native.PROT_READ);
    this.ledger =
        new Ledger(
            Native.mmap(
                skeleton.map("ledger"),
                pages(slots * Layout.Slot.SIZE),
                0,
                Native.PROT_READ | Native.PROT_WRITE),
            globals);
    this.events = socketsMissing == null ? new RingReader(skeleton.map("events"), ringBytes) : null;
    this.recent =
        socketsMissing == null
            ? new RecentRequests(
                Native.mmap(
                    skeleton.map("recent"),
                    pages(Layout.RECENT_REQUESTS * Layout.RecentRequest.SIZE),
                    0,
                    Native.PROT_READ))
            : null;
  }

  private static long pages(int bytes) {
    return (bytes + 4095L) & -4096L;
  }

  /**
   * Loads and attaches, the whole set first and the ledger alone where the kernel has no socket
   * tracepoints. The calling thread becomes one of the agent's own, as do threads it starts.
   *
   * @param ringBytes size of the ring buffer, a power of two and at least a page
   * @param slots how many threads can have an account at once, at most {@link #MAX_SLOTS}
   * @throws ProbeException when not even the ledger can be had
   */
  public static KernelProbes open(int ringBytes, int slots) throws ProbeException {
    if (Integer.bitCount(ringBytes) != 1 || ringBytes < 4096) {
      throw ProbeException.of(
          "the ring buffer's size must be a power of two of at least 4096, not " + ringBytes);
    }
    if (slots < 1 || slots > MAX_SLOTS) {
      throw ProbeException.of("the ledger can have 1 to " + MAX_SLOTS + " slots, not " + slots);
    }
    Map<String, Integer> sizes = Map.of("events", ringBytes, "ledger", slots, "free_slots", slots);
    ProbeException socketsMissing = null;
    LightSkeleton skeleton;
    try {
      skeleton = LightSkeleton.load("tracing", sizes);
    } catch (ProbeException e) {
      if (e.errno() == Native.EPERM || e.errno() == Native.ENOSYS) {
        throw e; // the same awaits the smaller set
      }
      socketsMissing = e;
      skeleton = LightSkeleton.load("ledger", sizes);
    }
    try {
      KernelProbes probes = new KernelProbes(skeleton, ringBytes, slots, socketsMissing);
      probes.readLibjvm();
      probes.enrol(true);
      for (String program : SCHEDULER) {
        skeleton.attach(program);
      }
      if (socketsMissing == null) {
        for (String program : SOCKETS) {
          skeleton.attach(program);
        }
        probes.adoptOpenSockets();
      }
      probes.watchSafepoints();
      probes.libjvm = null; // read, and large
      return probes;
    } catch (ProbeException | RuntimeException e) {
      skeleton.close();
      throw e;
    }
  }

  /** The ledger is of use without. */
  private void readLibjvm() {
    try {
      libjvm = Libjvm.ofThisProcess();
      monitors = JavaMonitors.find(libjvm);
    } catch (ProbeException e) {
      safepointsMissing = e;
    }
  }

  private void watchSafepoints() {
    Libjvm file = libjvm;
    if (file == null) {
      return;
    }
    try {
      // The end first: without a beginning it does nothing, while a beginning without an end would
      // make a stop of everything that follows.
      skeleton.attachUprobe(
          "on_safepoint_end", file.path(), file.usdt("hs_private", "safepoint__end"));
      skeleton.attachUprobe(
          "on_safepoint_begin", file.path(), file.usdt("hs_private", "safepoint__begin"));
    } catch (ProbeException e) {
      safepointsMissing = e;
    }
  }

  /** Why stops of the JVM are not seen; null when they are. */
  public @Nullable ProbeException safepointsMissing() {
    return safepointsMissing;
  }

  /**
   * Makes the sockets known that are older than the programs, so that arrivals on them are seen and
   * listening ones hand on to what they accept.
   */
  private void adoptOpenSockets() {
    int map = skeleton.map("connections");
    try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
      for (Path descriptor : descriptors) {
        int fd = Integer.parseInt(descriptor.getFileName().toString());
        boolean listening = Native.isListening(fd);
        ByteBuffer connection = Native.allocate(Layout.Connection.SIZE);
        connection.putInt(
            Layout.Connection.ROLE, listening ? Layout.ROLE_LISTENER : Layout.ROLE_UNKNOWN);
        // Refused for what is no socket, or is known by now.
        LightSkeleton.update(map, fd, connection, BPF_NOEXIST);
      }
    } catch (IOException | DirectoryIteratorException e) {
      // Then they are found when they are next used, and their first arrival is not known.
      return;
    }
  }

  /**
   * Enrols the calling thread (the carrier, for a virtual one). One system call; to be done once a
   * thread.
   *
   * @param agent true for a thread of the agent: neither it nor the threads it starts are observed
   * @return its slot, or -1 for an agent thread and when no slot is free (counted by the kernel)
   */
  public int enrol(boolean agent) throws ProbeException {
    ByteBuffer arguments = enrolArguments.get();
    arguments.putInt(Layout.EnrolArgs.AGENT, agent ? 1 : 0);
    arguments.putInt(Layout.EnrolArgs.WAITING_MONITOR, monitors.waiting());
    arguments.putInt(Layout.EnrolArgs.PENDING_MONITOR, monitors.pending());
    int result = LightSkeleton.runProgram(skeleton.program("enrol"), arguments);
    if (result < 0) {
      throw ProbeException.of("enrolling a thread", -result, "");
    }
    int slot = arguments.getInt(Layout.EnrolArgs.SLOT);
    long javaThread = slot < 0 ? 0 : monitors.currentJavaThread();
    if (javaThread != 0) {
      ledger.setJavaThread(slot, javaThread);
    }
    return slot;
  }

  /**
   * Begins to look into TLS libraries in native code; nothing is attached to any before {@link
   * TlsLibraries#refresh}, which is worth calling whenever {@link #libraryChanges} has changed.
   *
   * @throws ProbeException if it cannot be told when they come
   */
  public TlsLibraries watchTlsLibraries() throws ProbeException {
    TlsLibraries libraries = new TlsLibraries(skeleton);
    libraries.watch();
    tlsLibraries = libraries;
    return libraries;
  }

  /** How often libraries have come or gone so far; a plain read of mapped memory. */
  public long libraryChanges() {
    return globals.getLong(Layout.Globals.LIBRARIES);
  }

  /** The loaded programs. */
  LightSkeleton programs() {
    return skeleton;
  }

  /** The mapped ledger. */
  public Ledger ledger() {
    return ledger;
  }

  /** The latest request of each connection, or null where this kernel has no socket tracepoints. */
  public @Nullable RecentRequests recentRequests() {
    return recent;
  }

  /** Socket events, or null where this kernel has no way for them. */
  public @Nullable RingReader events() {
    return events;
  }

  /** Why there are no socket events; null when there are. */
  public @Nullable ProbeException socketsMissing() {
    return socketsMissing;
  }

  /** What the programs saw and lost so far, by name. */
  public Map<String, Long> counters() {
    Map<String, Long> counters = new LinkedHashMap<>();
    counters.put("events_seen", counter(Layout.LossCounters.EVENTS_SEEN));
    counters.put("ring_full", counter(Layout.LossCounters.RING_FULL));
    counters.put("slots_exhausted", counter(Layout.LossCounters.SLOTS_EXHAUSTED));
    counters.put("payload_unreadable", counter(Layout.LossCounters.PAYLOAD_UNREADABLE));
    counters.put("connections_untracked", counter(Layout.LossCounters.CONNECTIONS_UNTRACKED));
    counters.put("arrivals_merged", counter(Layout.LossCounters.ARRIVALS_MERGED));
    counters.put("tls_untracked", counter(Layout.LossCounters.TLS_UNTRACKED));
    return counters;
  }

  /** Events lost so far because the ring buffer was full; a plain read of mapped memory. */
  public long lostEvents() {
    return counter(Layout.LossCounters.RING_FULL);
  }

  private long counter(int offset) {
    return globals.getLong(Layout.Globals.LOSSES + offset);
  }

  /**
   * The kernel's own statistics of each program: {run count, run time in nanoseconds}; zero unless
   * kernel.bpf_stats_enabled is set.
   */
  public Map<String, long[]> programStatistics() {
    Map<String, long[]> statistics = new LinkedHashMap<>();
    for (List<String> group : List.of(SCHEDULER, SOCKETS)) {
      for (String program : group) {
        if (skeleton.has(program)) {
          // struct bpf_prog_info: run_time_ns at 192, run_cnt at 200.
          ByteBuffer info = Native.allocate(232);
          ByteBuffer attributes = Native.allocate(16);
          attributes.putInt(0, skeleton.program(program)).putInt(4, info.capacity());
          attributes.putLong(8, Native.address(info));
          if (Native.bpf(BPF_OBJ_GET_INFO_BY_FD, attributes, info) == 0) {
            statistics.put(program, new long[] {info.getLong(200), info.getLong(192)});
          }
        }
      }
    }
    return statistics;
  }

  /**
   * Detaches and frees. The ledger stays mapped, since a thread may be writing to its slot right
   * now; the memory goes with the process.
   */
  @Override
  public void close() {
    TlsLibraries libraries = tlsLibraries;
    if (libraries != null) {
      libraries.close();
    }
    skeleton.close();
  }
}
