package dev.underspan.host;

import dev.underspan.abi.Layout;
import dev.underspan.host.UnixSocket.Message;
import dev.underspan.host.UnixSocket.Peer;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.util.HashMap;
import java.util.Map;

/**
 * One JVM at a sidecar. Whatever it says concerns itself alone: the process that is enrolled is the
 * one that the kernel names, files are those that it could open, and probes are on it only.
 */
final class SidecarConnection {
  private static final SecureRandom CHANCE = new SecureRandom();
  private static final int MAX_UPROBES = 1024;
  private static final int MAX_RING = 64 << 20;

  /** Requests that come at once, and how many follow in a second. */
  private static final int BURST = 4096;

  private static final long NS_PER_REQUEST = 1_000_000;

  private enum State {
    NEW,
    ASKED,
    SERVED
  }

  private final Sidecar sidecar;
  private final UnixSocket socket;
  private final Peer peer;
  private final long since;
  private final Map<Integer, Integer> uprobes = new HashMap<>();
  private State state = State.NEW;
  private long nonce;
  private int slots;
  private int ringBytes;
  private int[] had = new int[0];
  private int pidfd = -1;
  private int number;
  private int nextUprobe;
  private long memory;
  private long budgetAt;

  SidecarConnection(Sidecar sidecar, UnixSocket socket, long now) {
    this.sidecar = sidecar;
    this.socket = socket;
    this.peer = socket.peer();
    this.since = now;
    this.budgetAt = now - BURST * NS_PER_REQUEST;
  }

  int fd() {
    return socket.fd();
  }

  Peer peer() {
    return peer;
  }

  long since() {
    return since;
  }

  boolean isServed() {
    return state == State.SERVED;
  }

  void tell(String what) {
    sidecar.tell("process " + peer.pid() + " (user " + peer.uid() + ") " + what);
  }

  /**
   * Takes its next message.
   *
   * @return false when the connection is over
   */
  boolean serve(long now) {
    Message message;
    try {
      message = socket.receive();
    } catch (ProbeException e) {
      if (e.errno() == Errno.EAGAIN) {
        return true;
      }
      tell("was let go: " + e.getMessage());
      return false;
    }
    if (message == null) {
      return false;
    }
    budgetAt = Math.max(budgetAt, now - BURST * NS_PER_REQUEST) + NS_PER_REQUEST;
    try {
      if (budgetAt > now) {
        throw ProbeException.of("it asks too often");
      }
      return answer(message);
    } catch (ProbeException e) {
      boolean sent = refuse(String.valueOf(e.getMessage()), e.errno());
      // A refused probe is the JVM's to live without; before it is served there is nothing else.
      boolean goesOn = sent && state == State.SERVED && budgetAt <= now;
      if (!goesOn) {
        tell("was refused: " + e.getMessage());
      }
      return goesOn;
    } finally {
      message.closeDescriptors();
    }
  }

  boolean refuse(String why, int errno) {
    return socket.send(SidecarProtocol.message(SidecarProtocol.REFUSED, errno, why)) == 0;
  }

  private boolean answer(Message message) throws ProbeException {
    ByteBuffer bytes = message.bytes();
    int type = bytes.remaining() < 4 ? 0 : bytes.getInt();
    if (type == SidecarProtocol.HELLO && state == State.NEW) {
      return hello(bytes, message);
    }
    if (type == SidecarProtocol.ANSWER && state == State.ASKED) {
      return admit(bytes, message);
    }
    if (state != State.SERVED) {
      throw ProbeException.of("message " + type + " is not what comes now");
    }
    switch (type) {
      case SidecarProtocol.SOCKETS -> {
        for (int fd : message.descriptors()) {
          sidecar.programs().adopt(fd, number);
        }
        return done(0);
      }
      case SidecarProtocol.UPROBE -> {
        return done(attach(bytes, message));
      }
      case SidecarProtocol.RELEASE -> {
        need(bytes, 4);
        Integer fd = uprobes.remove(bytes.getInt());
        Native.close(fd == null ? -1 : fd);
        return done(0);
      }
      default -> throw ProbeException.of("message " + type + " is not known");
    }
  }

  private boolean done(int number) {
    // A JVM that does not read its answers is not waited for.
    return socket.send(SidecarProtocol.message(SidecarProtocol.DONE, number)) == 0;
  }

  private static void need(ByteBuffer bytes, int count) throws ProbeException {
    if (bytes.remaining() < count) {
      throw ProbeException.of("a message is too short");
    }
  }

  private boolean hello(ByteBuffer bytes, Message message) throws ProbeException {
    need(bytes, 20);
    if (bytes.getInt() != SidecarProtocol.MAGIC) {
      throw ProbeException.of("this is not an agent of Underspan");
    }
    int version = bytes.getInt();
    int layout = bytes.getInt();
    if (version != SidecarProtocol.VERSION || layout != Layout.FINGERPRINT) {
      throw ProbeException.of(
          "agent and sidecar are of different versions; use the same underspan.jar for both");
    }
    slots = bytes.getInt();
    ringBytes = bytes.getInt();
    if (slots < 1
        || slots > KernelProbes.MAX_SLOTS
        || ringBytes < Native.PAGE
        || ringBytes > MAX_RING
        || Integer.bitCount(ringBytes) != 1) {
      throw ProbeException.of(
          "no ledger of " + slots + " slots or ring of " + ringBytes + " bytes");
    }
    int expected = sidecar.programs().socketsMissing() == null ? 3 : 1;
    if (message.descriptors().length != 0 && message.descriptors().length != expected) {
      throw ProbeException.of("it has other maps than this sidecar gives");
    }
    // Before the question: whoever answers it lives now, so this is no later owner of the id.
    pidfd = Native.openProcess(peer.pid());
    if (pidfd < 0) {
      throw ProbeException.of("opening the process", -pidfd, "");
    }
    had = message.keepDescriptors();
    nonce = CHANCE.nextLong();
    state = State.ASKED;
    return socket.send(SidecarProtocol.withNonce(SidecarProtocol.CHALLENGE, nonce)) == 0;
  }

  private boolean admit(ByteBuffer bytes, Message message) throws ProbeException {
    need(bytes, 8);
    if (bytes.getLong() != nonce || message.senderPid() != peer.pid()) {
      throw ProbeException.of("somebody else answered than asked");
    }
    Programs programs = sidecar.programs();
    long wanted = Sidecar.memoryOf(slots, ringBytes);
    sidecar.takeMemory(wanted);
    memory = wanted;
    ProbeException missing = programs.socketsMissing();
    ProcessMaps maps =
        had.length == 0
            ? ProcessMaps.create(slots, missing == null ? ringBytes : 0)
            : ProcessMaps.of(had);
    had = new int[0];
    try {
      number = sidecar.takeNumber(peer.pid());
      programs.put(number, maps, slots);
      programs.admit(number, pidfd);
      state = State.SERVED;
      tell("is served");
      ByteBuffer welcome =
          SidecarProtocol.message(
              SidecarProtocol.WELCOME,
              missing == null ? 1 : 0,
              missing == null ? "" : String.valueOf(missing.getMessage()));
      return socket.send(welcome, maps.descriptors()) == 0;
    } finally {
      maps.close();
    }
  }

  private int attach(ByteBuffer bytes, Message message) throws ProbeException {
    need(bytes, 16);
    int program = bytes.getInt();
    boolean onReturn = bytes.getInt() == 1;
    long offset = bytes.getLong();
    if (program < 0
        || program >= SidecarProtocol.UPROBES.size()
        || message.descriptors().length != 1) {
      throw ProbeException.of("no such probe");
    }
    if (uprobes.size() >= MAX_UPROBES) {
      throw ProbeException.of("a process can have " + MAX_UPROBES + " probes");
    }
    int fd =
        sidecar
            .programs()
            .skeleton()
            .openUprobe(
                SidecarProtocol.UPROBES.get(program),
                peer.pid(),
                "/proc/self/fd/" + message.descriptors()[0],
                offset,
                onReturn);
    uprobes.put(nextUprobe, fd);
    return nextUprobe++;
  }

  void close() {
    socket.close();
    uprobes.values().forEach(Native::close);
    uprobes.clear();
    for (int fd : had) {
      Native.close(fd);
    }
    had = new int[0];
    sidecar.giveBackMemory(memory);
    memory = 0;
    if (number != 0) {
      sidecar.giveBack(number, peer.pid(), pidfd);
      tell("is served no more");
    } else {
      Native.close(pidfd);
    }
  }
}
