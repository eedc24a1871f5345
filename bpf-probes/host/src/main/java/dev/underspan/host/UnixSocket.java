package dev.underspan.host;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A Unix socket that keeps the bounds of messages (SOCK_SEQPACKET) and carries descriptors; the
 * JDK's own do neither. Structs msghdr, cmsghdr, ucred: sys/socket.h of a 64-bit Linux.
 */
final class UnixSocket implements AutoCloseable {
  static final int MAX_MESSAGE = 1024;
  static final int MAX_DESCRIPTORS = 32;

  private static final int AF_UNIX = 1;
  private static final int SOCK_SEQPACKET = 5;
  private static final int SOCK_CLOEXEC = 1 << 19;
  private static final int SOCK_NONBLOCK = 1 << 11;
  private static final int SOL_SOCKET = 1;
  private static final int SO_PASSCRED = 16;
  private static final int SO_PEERCRED = 17;
  private static final int SO_RCVTIMEO = 20;
  private static final int SO_SNDTIMEO = 21;
  private static final int PATIENCE_SECONDS = 5;
  private static final int SCM_RIGHTS = 1;
  private static final int SCM_CREDENTIALS = 2;
  private static final int MSG_NOSIGNAL = 0x4000;
  private static final int MSG_CMSG_CLOEXEC = 0x40000000;
  private static final int MSG_TRUNC = 0x20;
  private static final int MSG_CTRUNC = 8;
  private static final int PATH_BYTES = 108;
  private static final int CONTROL_HEADER = 16;
  private static final int CREDENTIALS_SPACE = 32;
  private static final int CONTROL = CREDENTIALS_SPACE + CONTROL_HEADER + 4 * MAX_DESCRIPTORS;

  private final int fd;

  /** Used by one thread at a time. */
  private final ByteBuffer control = Native.allocate(CONTROL);

  private UnixSocket(int fd) {
    this.fd = fd;
  }

  /** Who is at the other end, by ids as this process knows them; a pid of 0: not known here. */
  record Peer(int pid, int uid, int gid) {}

  /** A message as it came, to be read from the buffer's position; descriptors are to be closed. */
  static final class Message {
    private final ByteBuffer bytes;
    private final int senderPid;
    private int[] descriptors;

    private Message(ByteBuffer bytes, int[] descriptors, int senderPid) {
      this.bytes = bytes;
      this.descriptors = descriptors;
      this.senderPid = senderPid;
    }

    ByteBuffer bytes() {
      return bytes;
    }

    int[] descriptors() {
      return descriptors;
    }

    /** By the kernel's word; 0 where it was not asked for that. */
    int senderPid() {
      return senderPid;
    }

    /** The descriptors, which are the caller's to close from now on. */
    int[] keepDescriptors() {
      int[] kept = descriptors;
      descriptors = new int[0];
      return kept;
    }

    void closeDescriptors() {
      for (int descriptor : keepDescriptors()) {
        Native.close(descriptor);
      }
    }
  }

  /** A listening socket; the path must not exist. */
  static UnixSocket listen(Path path) throws ProbeException {
    int fd = open(true);
    int error = Native.bind(fd, name(path));
    if (error == 0) {
      error = Native.listen(fd, 128);
    }
    if (error < 0) {
      Native.close(fd);
      throw ProbeException.of("listening on " + path, -error, "");
    }
    return new UnixSocket(fd);
  }

  /** Connects, and waits in every further call, but no more than some seconds. */
  static UnixSocket connect(Path path) throws ProbeException {
    int fd = open(false);
    int error = Native.connect(fd, name(path));
    if (error < 0) {
      Native.close(fd);
      throw ProbeException.of("connecting to the sidecar at " + path, -error, "");
    }
    Native.setSocketTimeout(fd, SO_RCVTIMEO, PATIENCE_SECONDS);
    Native.setSocketTimeout(fd, SO_SNDTIMEO, PATIENCE_SECONDS);
    return new UnixSocket(fd);
  }

  private static int open(boolean nonBlocking) throws ProbeException {
    int type = SOCK_SEQPACKET | SOCK_CLOEXEC | (nonBlocking ? SOCK_NONBLOCK : 0);
    int fd = Native.socket(AF_UNIX, type);
    if (fd < 0) {
      throw ProbeException.of("making a Unix socket", -fd, "");
    }
    return fd;
  }

  private static ByteBuffer name(Path path) throws ProbeException {
    byte[] bytes = path.toString().getBytes(StandardCharsets.UTF_8);
    if (bytes.length >= PATH_BYTES) {
      throw ProbeException.of(
          "a Unix socket's path can have " + (PATH_BYTES - 1) + " bytes, not " + bytes.length);
    }
    ByteBuffer name = Native.allocate(2 + PATH_BYTES);
    return name.putShort(0, (short) AF_UNIX).put(2, bytes);
  }

  /** The next connection, which does not wait; null when there is none. */
  @Nullable UnixSocket accept() {
    int accepted = Native.accept(fd, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted < 0) {
      return null;
    }
    Native.setSocketOption(accepted, SO_PASSCRED, 1);
    return new UnixSocket(accepted);
  }

  Peer peer() {
    ByteBuffer credentials = Native.allocate(12);
    Native.socketOption(fd, SO_PEERCRED, credentials);
    return new Peer(credentials.getInt(0), credentials.getInt(4), credentials.getInt(8));
  }

  int fd() {
    return fd;
  }

  /**
   * Sends a message.
   *
   * @return 0, or -errno
   */
  int send(ByteBuffer bytes, int... descriptors) {
    ByteBuffer vector = vector(bytes, bytes.remaining());
    ByteBuffer header = header(vector);
    if (descriptors.length > 0) {
      int length = CONTROL_HEADER + 4 * descriptors.length;
      control.putLong(0, length).putInt(8, SOL_SOCKET).putInt(12, SCM_RIGHTS);
      for (int i = 0; i < descriptors.length; i++) {
        control.putInt(CONTROL_HEADER + 4 * i, descriptors[i]);
      }
      header.putLong(32, Native.address(control)).putLong(40, (length + 7) & -8);
    }
    int sent = Native.message(true, fd, header, MSG_NOSIGNAL, bytes, vector, control);
    return Math.min(sent, 0);
  }

  /**
   * The next message.
   *
   * @return null at the end of the connection
   * @throws ProbeException with EAGAIN when there is none yet, and for one that is too long
   */
  @Nullable Message receive() throws ProbeException {
    ByteBuffer bytes = Native.allocate(MAX_MESSAGE);
    ByteBuffer vector = vector(bytes, MAX_MESSAGE);
    ByteBuffer header = header(vector);
    header.putLong(32, Native.address(control)).putLong(40, CONTROL);
    int size = Native.message(false, fd, header, MSG_CMSG_CLOEXEC, bytes, vector, control);
    if (size < 0) {
      throw ProbeException.of("receiving from the other end", -size, "");
    }
    Message message = message(bytes.limit(size), (int) header.getLong(40));
    int flags = header.getInt(48);
    if ((flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
      message.closeDescriptors();
      throw ProbeException.of("a message is longer than any that is known");
    }
    if (size == 0) {
      message.closeDescriptors();
      return null;
    }
    return message;
  }

  private Message message(ByteBuffer bytes, int controlSize) {
    int[] descriptors = new int[0];
    int pid = 0;
    int at = 0;
    while (at + CONTROL_HEADER <= controlSize) {
      int length = (int) control.getLong(at);
      if (length < CONTROL_HEADER) {
        break;
      }
      if (control.getInt(at + 8) == SOL_SOCKET && control.getInt(at + 12) == SCM_RIGHTS) {
        descriptors = new int[(length - CONTROL_HEADER) / 4];
        for (int i = 0; i < descriptors.length; i++) {
          descriptors[i] = control.getInt(at + CONTROL_HEADER + 4 * i);
        }
      } else if (control.getInt(at + 8) == SOL_SOCKET
          && control.getInt(at + 12) == SCM_CREDENTIALS) {
        pid = control.getInt(at + CONTROL_HEADER);
      }
      at += (length + 7) & -8;
    }
    return new Message(bytes, descriptors, pid);
  }

  private static ByteBuffer vector(ByteBuffer bytes, int length) {
    return Native.allocate(16)
        .putLong(0, Native.address(bytes) + bytes.position())
        .putLong(8, length);
  }

  private static ByteBuffer header(ByteBuffer vector) {
    return Native.allocate(56).putLong(16, Native.address(vector)).putLong(24, 1);
  }

  @Override
  public void close() {
    Native.close(fd);
  }
}
