package dev.underspan.host;

import dev.underspan.abi.Ledger;
import dev.underspan.host.UnixSocket.Message;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The JVM's end of a connection to a sidecar. It needs no right but to open the socket; threads
 * find their slots, since the kernel gives one to each unasked.
 */
final class SidecarClient implements ProbeHost {
  private final UnixSocket socket;
  private final ProcessMaps maps;
  private final @Nullable ProbeException socketsMissing;
  private boolean closed;

  private SidecarClient(
      UnixSocket socket, ProcessMaps maps, @Nullable ProbeException socketsMissing) {
    this.socket = socket;
    this.maps = maps;
    this.socketsMissing = socketsMissing;
  }

  /**
   * Asks to be served.
   *
   * @param had maps that an earlier sidecar gave, to go on with; null: none
   */
  static SidecarClient connect(Path path, int slots, int ringBytes, @Nullable ProcessMaps had)
      throws ProbeException {
    UnixSocket socket = UnixSocket.connect(path);
    try {
      int[] maps = had == null ? new int[0] : had.descriptors();
      Message challenge =
          ask(socket, SidecarProtocol.CHALLENGE, SidecarProtocol.hello(slots, ringBytes), maps);
      long nonce = challenge.bytes().getLong();
      Message welcome =
          ask(
              socket,
              SidecarProtocol.WELCOME,
              SidecarProtocol.withNonce(SidecarProtocol.ANSWER, nonce));
      boolean sockets = welcome.bytes().getInt() == 1;
      ProbeException missing =
          sockets ? null : ProbeException.of(SidecarProtocol.text(welcome.bytes()));
      int[] given = welcome.descriptors();
      if (given.length != (sockets ? 3 : 1)) {
        welcome.closeDescriptors();
        throw ProbeException.of("the sidecar gave " + given.length + " maps");
      }
      return new SidecarClient(socket, ProcessMaps.of(welcome.keepDescriptors()), missing);
    } catch (ProbeException | RuntimeException e) {
      socket.close();
      throw e;
    }
  }

  private static Message ask(UnixSocket socket, int expected, ByteBuffer request, int... files)
      throws ProbeException {
    int error = socket.send(request, files);
    if (error < 0) {
      throw ProbeException.of("asking the sidecar", -error, "");
    }
    Message answer = socket.receive();
    if (answer == null) {
      throw ProbeException.of("asking the sidecar", Errno.ECONNRESET, "");
    }
    int type = answer.bytes().remaining() < 8 ? 0 : answer.bytes().getInt();
    if (type == expected) {
      return answer;
    }
    answer.closeDescriptors();
    if (type == SidecarProtocol.REFUSED) {
      int errno = answer.bytes().getInt();
      throw ProbeException.refused(SidecarProtocol.text(answer.bytes()), errno);
    }
    throw ProbeException.of("the sidecar answered something else (" + type + ")");
  }

  private synchronized int done(ByteBuffer request, int... files) throws ProbeException {
    if (closed) {
      throw ProbeException.of("the sidecar is gone"); // its descriptor may be something else's now
    }
    return ask(socket, SidecarProtocol.DONE, request, files).bytes().getInt();
  }

  /** Asks and does not wait for the answer; 0, or -errno. For tests. */
  synchronized int sendOnly(ByteBuffer request) {
    return closed ? -1 : socket.send(request);
  }

  ProcessMaps maps() {
    return maps;
  }

  @Nullable ProbeException socketsMissing() {
    return socketsMissing;
  }

  /** Waits until the sidecar is gone. */
  void awaitEnd() {
    PollSet other = new PollSet(1).add(socket.fd(), PollSet.POLLRDHUP);
    while (other.await(-1) <= 0) {
      // a signal ended it early
    }
  }

  @Override
  public int attachUprobe(String program, Path file, long fileOffset, boolean onReturn)
      throws ProbeException {
    int number = SidecarProtocol.UPROBES.indexOf(program);
    // The sidecar may see another file under that name, or none.
    int fd = Native.open(file);
    if (fd < 0) {
      throw ProbeException.of("opening " + file, -fd, "");
    }
    try {
      ByteBuffer request = Native.allocate(20).putInt(SidecarProtocol.UPROBE).putInt(number);
      request.putInt(onReturn ? 1 : 0).putLong(fileOffset);
      return done(request.flip(), fd);
    } finally {
      Native.close(fd);
    }
  }

  @Override
  public void detachUprobe(int uprobe) {
    if (uprobe >= 0) {
      try {
        done(SidecarProtocol.message(SidecarProtocol.RELEASE, uprobe));
      } catch (ProbeException e) {
        return; // the sidecar is gone, and the probe with it
      }
    }
  }

  @Override
  public int enrol(Ledger ledger, boolean agent) {
    int slot = ledger.find(Native.threadId());
    if (slot >= 0 && agent) {
      ledger.setAgent(slot);
      return -1;
    }
    return slot;
  }

  @Override
  public void adopt(Iterable<Integer> descriptors) throws ProbeException {
    List<Integer> sockets = new ArrayList<>();
    for (int fd : descriptors) {
      if (fd != socket.fd() && Native.isListening(fd) >= 0) {
        sockets.add(fd);
      }
    }
    for (int from = 0; from < sockets.size(); from += UnixSocket.MAX_DESCRIPTORS) {
      int to = Math.min(sockets.size(), from + UnixSocket.MAX_DESCRIPTORS);
      int[] some = sockets.subList(from, to).stream().mapToInt(Integer::intValue).toArray();
      tell(some);
    }
  }

  /** The application may close one of them meanwhile, and then the kernel sends none. */
  private void tell(int... sockets) throws ProbeException {
    try {
      done(SidecarProtocol.message(SidecarProtocol.SOCKETS, sockets.length), sockets);
    } catch (ProbeException e) {
      if (e.errno() != Errno.EBADF) {
        throw e;
      }
      for (int i = 0; sockets.length > 1 && i < sockets.length; i++) {
        tell(sockets[i]);
      }
    }
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      socket.close();
    }
  }
}
