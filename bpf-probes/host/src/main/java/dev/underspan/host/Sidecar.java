package dev.underspan.host;

import dev.underspan.abi.Layout;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Holds the rights and the programs for JVMs that have neither. A JVM connects to a Unix socket,
 * the kernel says who it is, and it gets the descriptors of its own maps. One thread does
 * everything; nothing that a JVM sends, or does not read, can stop it.
 */
public final class Sidecar implements AutoCloseable {
  /** Where it listens, and where agents look for it, unless told otherwise. */
  public static final Path DEFAULT_SOCKET = Path.of("/run/underspan/underspan.sock");

  /** All that its maps may take, bytes, unless told otherwise. */
  public static final long DEFAULT_MEMORY = 1L << 30;

  private static final int MAX_CONNECTIONS = Programs.MAX_PROCESSES + 64;

  /** Connections of one user that are not served yet. */
  private static final int MAX_WAITING_PER_USER = 16;

  private static final long HANDSHAKE_NS = TimeUnit.SECONDS.toNanos(5);
  private static final long TICK_MS = 1000;

  /** Lines of log a second at most. */
  private static final int MAX_LINES = 20;

  private final Programs programs;
  private final UnixSocket listener;
  private final Path path;
  private final long memoryLimit;
  private final Consumer<String> log;
  private final List<SidecarConnection> connections = new ArrayList<>();

  /** Processes whose numbers are not free before they have ended: their threads still have them. */
  private final List<Ended> ending = new ArrayList<>();

  private final Queue<Integer> freeNumbers = new ArrayDeque<>();
  private long memory;
  private long second;
  private int lines;
  private volatile boolean closing;

  private record Ended(int number, int pid, int pidfd) {}

  private Sidecar(
      Programs programs, UnixSocket listener, Path path, long memoryLimit, Consumer<String> log) {
    this.programs = programs;
    this.listener = listener;
    this.path = path;
    this.memoryLimit = memoryLimit;
    this.log = log;
    for (int number = 1; number <= Programs.MAX_PROCESSES; number++) {
      freeNumbers.add(number);
    }
  }

  /**
   * Loads and attaches the programs, and listens.
   *
   * @param memoryLimit what all maps may take, bytes
   * @param log gets a line for whatever an operator wants to know
   * @throws ProbeException without the rights, and where another one listens already
   */
  public static Sidecar open(Path path, long memoryLimit, Consumer<String> log)
      throws ProbeException {
    UnixSocket listener = listen(path);
    try {
      Programs programs = Programs.load();
      try {
        programs.attach();
        return new Sidecar(programs, listener, path, memoryLimit, log);
      } catch (ProbeException | RuntimeException e) {
        programs.close();
        throw e;
      }
    } catch (ProbeException | RuntimeException e) {
      listener.close();
      remove(path);
      throw e;
    }
  }

  private static UnixSocket listen(Path path) throws ProbeException {
    try {
      Path directory = path.toAbsolutePath().getParent();
      if (directory != null) {
        Files.createDirectories(directory);
      }
      if (Files.exists(path)) {
        try {
          UnixSocket.connect(path).close();
          throw ProbeException.of(
              "another sidecar listens on " + path + "; stop it, or choose another --socket");
        } catch (ProbeException e) {
          if (e.errno() == 0) {
            throw e;
          }
          Files.delete(path); // of one that was killed
        }
      }
      UnixSocket listener = UnixSocket.listen(path);
      // Whoever may open it gets nothing but what is its own.
      Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-rw-rw-"));
      return listener;
    } catch (IOException e) {
      throw ProbeException.of("cannot listen on " + path + ": " + e);
    }
  }

  private static void remove(Path path) {
    try {
      Files.deleteIfExists(path);
    } catch (IOException e) {
      return; // the next one finds nobody behind it
    }
  }

  /** Why there are no socket events; empty when there are. */
  public String socketsMissing() {
    ProbeException missing = programs.socketsMissing();
    return missing == null ? "" : String.valueOf(missing.getMessage());
  }

  /** Serves until {@link #close}. */
  public void run() {
    PollSet all = new PollSet(1 + MAX_CONNECTIONS + Programs.MAX_PROCESSES);
    while (!closing) {
      all.clear();
      all.add(listener.fd(), PollSet.POLLIN);
      for (SidecarConnection connection : connections) {
        all.add(connection.fd(), PollSet.POLLIN);
      }
      for (Ended ended : ending) {
        all.add(ended.pidfd, PollSet.POLLIN);
      }
      all.await(TICK_MS);
      serve(all);
    }
    connections.forEach(SidecarConnection::close);
    ending.forEach(ended -> Native.close(ended.pidfd));
    listener.close();
    programs.close();
  }

  private void serve(PollSet all) {
    int at = 1;
    long now = System.nanoTime();
    List<SidecarConnection> closed = new ArrayList<>();
    for (SidecarConnection connection : connections) {
      boolean open = true;
      if (all.isReady(at++)) {
        open = connection.serve(now);
      } else if (!connection.isServed() && now - connection.since() > HANDSHAKE_NS) {
        connection.tell("did not say what it wants in time");
        open = false;
      }
      if (!open) {
        closed.add(connection);
      }
    }
    for (Iterator<Ended> i = ending.iterator(); i.hasNext(); ) {
      Ended ended = i.next();
      if (all.isReady(at++)) {
        Native.close(ended.pidfd);
        freeNumbers.add(ended.number);
        i.remove();
      }
    }
    closed.forEach(SidecarConnection::close);
    connections.removeAll(new HashSet<>(closed));
    if (all.isReady(0)) {
      accept(now);
    }
  }

  private void accept(long now) {
    UnixSocket socket = listener.accept();
    while (socket != null) {
      SidecarConnection connection = new SidecarConnection(this, socket, now);
      String why = refusal(connection);
      if (why.isEmpty()) {
        connections.add(connection);
      } else {
        connection.refuse(why, 0);
        connection.close();
      }
      socket = connections.size() < MAX_CONNECTIONS + 1 ? listener.accept() : null;
    }
  }

  private String refusal(SidecarConnection newcomer) {
    if (newcomer.peer().pid() == 0) {
      return "it does not see your process: they must share a PID namespace, or the sidecar must be"
          + " in the host's (hostPID: true, or shareProcessNamespace: true in one pod)";
    }
    if (connections.size() >= MAX_CONNECTIONS) {
      return "it serves as many processes as it can, " + Programs.MAX_PROCESSES;
    }
    long waiting =
        connections.stream()
            .filter(c -> !c.isServed() && c.peer().uid() == newcomer.peer().uid())
            .count();
    return waiting < MAX_WAITING_PER_USER
        ? ""
        : "too many connections of user " + newcomer.peer().uid() + " that say nothing";
  }

  Programs programs() {
    return programs;
  }

  /** A number for a process: the one that it had, if it comes back. */
  int takeNumber(int pid) throws ProbeException {
    for (SidecarConnection connection : connections) {
      if (connection.isServed() && connection.peer().pid() == pid) {
        throw ProbeException.of("your process is served already");
      }
    }
    for (Iterator<Ended> i = ending.iterator(); i.hasNext(); ) {
      Ended ended = i.next();
      // While that one lives nobody else can have its id.
      if (ended.pid == pid && !hasEnded(ended.pidfd)) {
        i.remove();
        Native.close(ended.pidfd);
        return ended.number;
      }
    }
    Integer number = freeNumbers.poll();
    if (number == null) {
      throw ProbeException.of("it serves as many processes as it can, " + Programs.MAX_PROCESSES);
    }
    return number;
  }

  private static boolean hasEnded(int pidfd) {
    return new PollSet(1).add(pidfd, PollSet.POLLIN).await(0) > 0;
  }

  /** The process is served no more; its number is free when it has ended. */
  void giveBack(int number, int pid, int pidfd) {
    programs.remove(number);
    ending.add(new Ended(number, pid, pidfd));
  }

  /** Counts memory that a process wants. */
  void takeMemory(long bytes) throws ProbeException {
    if (memory + bytes > memoryLimit) {
      throw ProbeException.of(
          "its maps would take more than "
              + (memoryLimit >> 20)
              + " MiB; start it with a larger --memory, or JVMs with a smaller underspan.ring.bytes"
              + " or underspan.ledger.slots");
    }
    memory += bytes;
  }

  void giveBackMemory(long bytes) {
    memory -= bytes;
  }

  /** What a process's maps take, bytes. */
  static long memoryOf(int slots, int ringBytes) {
    return (long) (slots + 1) * Layout.Slot.SIZE
        + 4L * slots
        + ringBytes
        + (long) Layout.RECENT_REQUESTS * Layout.RecentRequest.SIZE;
  }

  /** For an operator; not more than some lines a second. */
  void tell(String line) {
    long now = System.nanoTime() / TimeUnit.SECONDS.toNanos(1);
    if (now != second) {
      if (lines > MAX_LINES) {
        log.accept((lines - MAX_LINES) + " more lines like these were left out");
      }
      second = now;
      lines = 0;
    }
    if (lines++ < MAX_LINES) {
      log.accept(line);
    }
  }

  /** Ends {@link #run}, from any thread; nobody can connect from now on. */
  @Override
  public void close() {
    if (!closing) {
      closing = true;
      remove(path);
    }
  }
}
