package dev.underspan.host;

import com.kenai.jffi.MemoryIO;
import com.kenai.jffi.PageManager;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import jnr.ffi.LastError;
import jnr.ffi.LibraryLoader;
import jnr.ffi.Runtime;

/** The system calls that we need, and nothing else native. Thread-safe. */
final class Native {
  static final int PROT_READ = 1;
  static final int PROT_WRITE = 2;
  private static final int MAP_SHARED = 1;
  private static final long PERF_FLAG_FD_CLOEXEC = 8;
  private static final int AT_FDCWD = -100;
  private static final int O_CLOEXEC = 1 << 19;
  private static final int SOL_SOCKET = 1;
  private static final int SO_ACCEPTCONN = 30;

  /** Public only because jnr-ffi implements it. */
  public interface LibC {
    long syscall(long number, long a, long b, long c, long d, long e, long f);
  }

  private static final LibC LIBC =
      UnpackPlace.with(() -> LibraryLoader.create(LibC.class).load("c"));
  private static final Runtime RUNTIME = Runtime.getRuntime(LIBC);
  private static final MemoryIO MEMORY = MemoryIO.getInstance();

  /** Of memory, bytes: 4096 on x86_64, and on aarch64 what the kernel was built for. */
  static final int PAGE = (int) PageManager.getInstance().pageSize();

  private static final Numbers NUMBERS = Numbers.ofThisProcessor();

  private Native() {}

  /** System call numbers, -1 where we do not know the processor. */
  private record Numbers(
      long read,
      long openAt,
      long mmap,
      long munmap,
      long close,
      long ioctl,
      long poll,
      long getTid,
      long bpf,
      long perfEventOpen,
      long pidfdOpen,
      long socket,
      long bind,
      long listen,
      long accept,
      long connect,
      long sendMessage,
      long receiveMessage,
      long getOption,
      long setOption) {
    static Numbers ofThisProcessor() {
      return switch (System.getProperty("os.arch", "")) {
        case "amd64", "x86_64" ->
            new Numbers(
                0, 257, 9, 11, 3, 16, 271, 186, 321, 298, 434, 41, 49, 50, 288, 42, 46, 47, 55, 54);
        case "aarch64" ->
            new Numbers(
                63, 56, 222, 215, 57, 29, 73, 178, 280, 241, 434, 198, 200, 201, 242, 203, 211, 212,
                209, 208);
        default ->
            new Numbers(
                -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
      };
    }
  }

  /** The result, or -errno. */
  private static long call(long number, long a, long b, long c, long d, long e, long f) {
    if (number < 0) {
      return -Errno.ENOSYS;
    }
    long result = LIBC.syscall(number, a, b, c, d, e, f);
    return result == -1 ? -LastError.getLastError(RUNTIME) : result;
  }

  /** A zeroed native-order buffer outside the heap. */
  static ByteBuffer allocate(int size) {
    return ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder());
  }

  static long address(ByteBuffer direct) {
    return MEMORY.getDirectBufferAddress(direct);
  }

  /**
   * bpf(2).
   *
   * @param pointedTo buffers whose addresses stand in the attributes, kept alive over the call
   * @return the result, or -errno
   */
  static int bpf(int command, ByteBuffer attributes, ByteBuffer... pointedTo) {
    try {
      return (int) call(NUMBERS.bpf, command, address(attributes), attributes.capacity(), 0, 0, 0);
    } finally {
      Reference.reachabilityFence(attributes);
      Reference.reachabilityFence(pointedTo);
    }
  }

  /**
   * Maps a descriptor shared.
   *
   * @throws ProbeException with the errno; a failed mmap's address must never be used
   */
  static ByteBuffer mmap(int fd, long length, long offset, int prot) throws ProbeException {
    long address = call(NUMBERS.mmap, 0, length, prot, MAP_SHARED, fd, offset);
    if (address < 0) {
      throw ProbeException.of("mmap of a BPF map", (int) -address, "");
    }
    return MEMORY
        .newDirectByteBuffer(address, Math.toIntExact(length))
        .order(ByteOrder.nativeOrder());
  }

  /**
   * perf_event_open(2), close-on-exec.
   *
   * @param pointedTo what the attributes point to
   * @return the descriptor, or -errno
   */
  static int perfEventOpen(ByteBuffer attributes, long pid, int cpu, ByteBuffer pointedTo) {
    try {
      return (int)
          call(NUMBERS.perfEventOpen, address(attributes), pid, cpu, -1, PERF_FLAG_FD_CLOEXEC, 0);
    } finally {
      Reference.reachabilityFence(attributes);
      Reference.reachabilityFence(pointedTo);
    }
  }

  /** perf_event_open(2) with flags that do not exist: what answers it, and how. */
  static int perfEventOpenNothing() {
    return (int) call(NUMBERS.perfEventOpen, 0, 0, -1, -1, -1, 0);
  }

  /** ioctl(2) with a number; the result, or -errno. */
  static int ioctl(int fd, long request, long argument) {
    return (int) call(NUMBERS.ioctl, fd, request, argument, 0, 0, 0);
  }

  /** Whether a descriptor is a listening socket: 1 or 0; -errno for what is no socket. */
  static int isListening(int fd) {
    ByteBuffer value = allocate(4);
    int error = socketOption(fd, SO_ACCEPTCONN, value);
    return error < 0 ? error : value.getInt(0);
  }

  /** getsockopt(2) of SOL_SOCKET; 0 or -errno. */
  static int socketOption(int fd, int option, ByteBuffer value) {
    ByteBuffer length = allocate(4).putInt(0, value.capacity());
    try {
      return (int)
          call(NUMBERS.getOption, fd, SOL_SOCKET, option, address(value), address(length), 0);
    } finally {
      Reference.reachabilityFence(value);
      Reference.reachabilityFence(length);
    }
  }

  /** setsockopt(2) of SOL_SOCKET with a number; 0 or -errno. */
  static int setSocketOption(int fd, int option, int value) {
    ByteBuffer bytes = allocate(4).putInt(0, value);
    try {
      return (int) call(NUMBERS.setOption, fd, SOL_SOCKET, option, address(bytes), 4, 0);
    } finally {
      Reference.reachabilityFence(bytes);
    }
  }

  /** setsockopt(2) of SOL_SOCKET with a time; 0 or -errno. */
  static int setSocketTimeout(int fd, int option, long seconds) {
    ByteBuffer bytes = allocate(16).putLong(0, seconds);
    try {
      return (int) call(NUMBERS.setOption, fd, SOL_SOCKET, option, address(bytes), 16, 0);
    } finally {
      Reference.reachabilityFence(bytes);
    }
  }

  /** socket(2); the descriptor or -errno. */
  static int socket(int domain, int type) {
    return (int) call(NUMBERS.socket, domain, type, 0, 0, 0, 0);
  }

  /** bind(2); 0 or -errno. */
  static int bind(int fd, ByteBuffer name) {
    return named(NUMBERS.bind, fd, name);
  }

  /** connect(2); 0 or -errno. */
  static int connect(int fd, ByteBuffer name) {
    return named(NUMBERS.connect, fd, name);
  }

  private static int named(long number, int fd, ByteBuffer name) {
    try {
      return (int) call(number, fd, address(name), name.capacity(), 0, 0, 0);
    } finally {
      Reference.reachabilityFence(name);
    }
  }

  /** listen(2); 0 or -errno. */
  static int listen(int fd, int backlog) {
    return (int) call(NUMBERS.listen, fd, backlog, 0, 0, 0, 0);
  }

  /** accept4(2); the descriptor or -errno. */
  static int accept(int fd, int flags) {
    return (int) call(NUMBERS.accept, fd, 0, 0, flags, 0, 0);
  }

  /** sendmsg(2) or recvmsg(2); how many bytes, or -errno. */
  static int message(boolean send, int fd, ByteBuffer header, int flags, ByteBuffer... pointedTo) {
    try {
      long number = send ? NUMBERS.sendMessage : NUMBERS.receiveMessage;
      return (int) call(number, fd, address(header), flags, 0, 0, 0);
    } finally {
      Reference.reachabilityFence(header);
      Reference.reachabilityFence(pointedTo);
    }
  }

  /**
   * ppoll(2).
   *
   * @param memory begins with struct pollfd, 8 bytes each
   * @param count how many
   * @param time where in the memory a struct timespec is; negative: wait without end
   * @return how many have something, or -errno
   */
  static int poll(ByteBuffer memory, int count, int time) {
    long address = address(memory);
    try {
      return (int) call(NUMBERS.poll, address, count, time < 0 ? 0 : address + time, 0, 8, 0);
    } finally {
      Reference.reachabilityFence(memory);
    }
  }

  /** pidfd_open(2), close-on-exec; the descriptor or -errno. */
  static int openProcess(int pid) {
    return (int) call(NUMBERS.pidfdOpen, pid, 0, 0, 0, 0, 0);
  }

  /** gettid(2): the calling thread's id as its own process knows it. */
  static int threadId() {
    return (int) call(NUMBERS.getTid, 0, 0, 0, 0, 0, 0);
  }

  /** open(2) to read, close-on-exec; the descriptor or -errno. */
  static int open(Path file) {
    byte[] bytes = (file + "\0").getBytes(StandardCharsets.UTF_8);
    ByteBuffer name = allocate(bytes.length).put(0, bytes);
    try {
      return (int) call(NUMBERS.openAt, AT_FDCWD, address(name), O_CLOEXEC, 0, 0, 0);
    } finally {
      Reference.reachabilityFence(name);
    }
  }

  /** read(2); how many bytes, or -errno. */
  static int read(int fd, ByteBuffer into) {
    try {
      return (int) call(NUMBERS.read, fd, address(into), into.capacity(), 0, 0, 0);
    } finally {
      Reference.reachabilityFence(into);
    }
  }

  static void munmap(ByteBuffer mapped) {
    call(NUMBERS.munmap, address(mapped), mapped.capacity(), 0, 0, 0, 0);
  }

  static void close(int fd) {
    if (fd > 0) {
      call(NUMBERS.close, fd, 0, 0, 0, 0, 0);
    }
  }
}
