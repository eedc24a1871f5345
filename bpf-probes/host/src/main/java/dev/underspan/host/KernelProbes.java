package dev.underspan.host;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import dev.underspan.abi.RecentRequests;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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

  private final int ringBytes;
  private final int slots;

  /** Of this process: to wait at, and to go on with at another sidecar. */
  private final ProcessMaps maps;

  private volatile ProbeHost host;
  private final Ledger ledger;
  private final @Nullable RingReader events;
  private final @Nullable RecentRequests recent;
  private final @Nullable ProbeException socketsMissing;

  private @Nullable TlsLibraries tlsLibraries;
  private @Nullable ProbeException safepointsMissing;
  private JavaMonitors monitors = JavaMonitors.UNKNOWN;

  private KernelProbes(
      ProbeHost host,
      ProcessMaps maps,
      int ringBytes,
      int slots,
      @Nullable ProbeException socketsMissing)
      throws ProbeException {
    this.host = host;
    this.maps = maps;
    this.ringBytes = ringBytes;
    this.slots = slots;
    this.socketsMissing = socketsMissing;
    this.ledger =
        new Ledger(
            Native.mmap(
                    maps.ledger(),
                    pages((slots + 1) * Layout.Slot.SIZE),
                    0,
                    Native.PROT_READ | Native.PROT_WRITE)
                .slice(0, (slots + 1) * Layout.Slot.SIZE)
                .order(ByteOrder.nativeOrder()));
    this.events = socketsMissing == null ? new RingReader(maps.events(), ringBytes) : null;
    this.recent =
        socketsMissing == null
            ? new RecentRequests(
                Native.mmap(
                    maps.recent(),
                    pages(Layout.RECENT_REQUESTS * Layout.RecentRequest.SIZE),
                    0,
                    Native.PROT_READ))
            : null;
  }

  private static long pages(int bytes) {
    return (bytes + Native.PAGE - 1L) & -(long) Native.PAGE;
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
    check(ringBytes, slots);
    Programs programs = Programs.load();
    try {
      ProbeException socketsMissing = programs.socketsMissing();
      ProcessMaps maps = ProcessMaps.create(slots, socketsMissing == null ? ringBytes : 0);
      try {
        // All of them, before there is anybody to look at: whose question one sees, another must
        // see the answer.
        programs.attach();
        ProbeHost host = new OwnPrograms(programs, maps, slots);
        KernelProbes probes = new KernelProbes(host, maps, ringBytes, slots, socketsMissing);
        probes.begin();
        return probes;
      } catch (ProbeException | RuntimeException e) {
        maps.close();
        throw e;
      }
    } catch (ProbeException | RuntimeException e) {
      programs.close();
      throw e;
    }
  }

  private static void check(int ringBytes, int slots) throws ProbeException {
    if (Integer.bitCount(ringBytes) != 1 || ringBytes < Native.PAGE) {
      throw ProbeException.of(
          "the ring buffer's size must be a power of two and at least a page of memory, "
              + Native.PAGE
              + ", not "
              + ringBytes);
    }
    if (slots < 1 || slots > MAX_SLOTS) {
      throw ProbeException.of("the ledger can have 1 to " + MAX_SLOTS + " slots, not " + slots);
    }
  }

  /**
   * Has a sidecar serve this process, which needs no rights of its own for that.
   *
   * @param socket where the sidecar listens
   * @param ringBytes as in {@link #open}
   * @param slots as in {@link #open}; each thread of the process takes one
   * @throws ProbeException when there is no sidecar, or it refuses
   */
  public static KernelProbes connect(Path socket, int ringBytes, int slots) throws ProbeException {
    check(ringBytes, slots);
    SidecarClient client = SidecarClient.connect(socket, slots, ringBytes, null);
    try {
      KernelProbes probes =
          new KernelProbes(client, client.maps(), ringBytes, slots, client.socketsMissing());
      probes.enrol(true);
      probes.begin();
      return probes;
    } catch (ProbeException | RuntimeException e) {
      client.close();
      client.maps().close();
      throw e;
    }
  }

  /** Whether a sidecar has the programs. */
  public boolean isBySidecar() {
    return host instanceof SidecarClient;
  }

  /** Waits until the sidecar is gone. The mapped memory stays, and nobody writes to it any more. */
  public void awaitSidecarEnd() {
    ((SidecarClient) host).awaitEnd();
  }

  /**
   * Goes on with another sidecar: threads keep their slots.
   *
   * @throws ProbeException when there is none yet, or it refuses
   */
  public void reconnect(Path socket) throws ProbeException {
    TlsLibraries libraries = tlsLibraries;
    if (libraries != null) {
      libraries.forget();
    }
    host.close();
    SidecarClient client = SidecarClient.connect(socket, slots, ringBytes, maps);
    client.maps().close(); // the same again
    host = client;
    begin();
    if (libraries != null) {
      libraries.resume(client);
    }
  }

  /** What is to be told of this process once it is served. */
  private void begin() throws ProbeException {
    Libjvm libjvm = null;
    try {
      libjvm = Libjvm.ofThisProcess();
      monitors = JavaMonitors.find(libjvm);
      ledger.setMonitors(monitors.waiting(), monitors.pending());
    } catch (ProbeException e) {
      safepointsMissing = e; // the ledger is of use without
    }
    if (socketsMissing == null) {
      adoptOpenSockets();
    }
    if (libjvm != null) {
      watchSafepoints(libjvm);
    }
  }

  private void watchSafepoints(Libjvm libjvm) {
    try {
      // The end first: without a beginning it does nothing, while a beginning without an end would
      // make a stop of everything that follows.
      for (String side : List.of("end", "begin")) {
        host.attachUprobe(
            "on_safepoint_" + side,
            libjvm.path(),
            libjvm.usdt("hs_private", "safepoint__" + side),
            false);
      }
    } catch (ProbeException e) {
      safepointsMissing = e;
    }
  }

  /** Why stops of the JVM are not seen; null when they are. */
  public @Nullable ProbeException safepointsMissing() {
    return safepointsMissing;
  }

  private void adoptOpenSockets() throws ProbeException {
    List<Integer> open = new ArrayList<>();
    try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
      for (Path descriptor : descriptors) {
        open.add(Integer.parseInt(descriptor.getFileName().toString()));
      }
    } catch (IOException | DirectoryIteratorException e) {
      // Then they are found when they are next used, and their first arrival is not known.
      return;
    }
    host.adopt(open);
  }

  /**
   * Enrols the calling thread (the carrier, for a virtual one). At most one system call; to be done
   * once a thread.
   *
   * @param agent true for a thread of the agent: neither it nor the threads it starts are observed
   * @return its slot, or -1 for an agent thread and when no slot is free (counted by the kernel)
   */
  public int enrol(boolean agent) throws ProbeException {
    int slot = host.enrol(ledger, agent);
    long javaThread = slot < 0 ? 0 : monitors.currentJavaThread();
    if (javaThread != 0) {
      ledger.setJavaThread(slot, javaThread);
    }
    return slot;
  }

  /**
   * Threads, by their ids, are the agent's: neither they nor the threads they start are observed.
   */
  public void markAgents(Iterable<Integer> tids) {
    for (int tid : tids) {
      int slot = ledger.find(tid);
      if (slot >= 0) {
        ledger.setAgent(slot);
      }
    }
  }

  /**
   * Begins to look into TLS libraries in native code; nothing is attached to any before {@link
   * TlsLibraries#refresh}, which is worth calling whenever {@link #libraryChanges} has changed.
   *
   * @throws ProbeException if it cannot be told when they come
   */
  public TlsLibraries watchTlsLibraries() throws ProbeException {
    TlsLibraries libraries = new TlsLibraries(host);
    libraries.watch();
    tlsLibraries = libraries;
    return libraries;
  }

  /** How often libraries have come or gone so far; a plain read of mapped memory. */
  public long libraryChanges() {
    return ledger.libraries();
  }

  /** The loaded programs, where they are this process's own. */
  Programs programs() {
    return ((OwnPrograms) host).programs();
  }

  /** By what sockets are seen, if they are, where this process has the programs. */
  public String socketsBy() {
    return programs().set().means();
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

  /**
   * Waits until there is an event to read; the programs wake the caller, at the cost of some
   * microseconds for the thread whose event it is. For when there was none for a while.
   *
   * @param millis for how long at most; that long it takes, too, if an event comes in the same
   *     moment as the call, since nobody waits for anybody else
   * @return false if nothing was waited for: there was one already, which may be still in the
   *     writing, or a signal came
   */
  public boolean awaitEvents(long millis) {
    RingReader ring = events;
    if (ring == null) {
      return false;
    }
    ledger.setAwaited(true);
    boolean waited = ring.await(millis);
    ledger.setAwaited(false);
    return waited;
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
    counters.put("accepts_unseen", counter(Layout.LossCounters.ACCEPTS_UNSEEN));
    counters.put("transfers_unseen", counter(Layout.LossCounters.TRANSFERS_UNSEEN));
    return counters;
  }

  /** Events lost so far because the ring buffer was full; a plain read of mapped memory. */
  public long lostEvents() {
    return counter(Layout.LossCounters.RING_FULL);
  }

  private long counter(int offset) {
    return ledger.counter(offset);
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
    host.close();
    maps.close();
  }
}
