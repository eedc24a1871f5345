package dev.underspan.host;

import com.kenai.jffi.MemoryIO;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jnr.ffi.LastError;
import jnr.ffi.LibraryLoader;
import jnr.ffi.Runtime;

/** The system calls that we need, and nothing else native. Thread-safe. */
final class Native {
  static final int EPERM = 1;
  static final int EACCES = 13;
  static final int EINVAL = 22;
  static final int ENOSYS = 38;

  static final int PROT_READ = 1;
  static final int PROT_WRITE = 2;
  private static final int MAP_SHARED = 1;
  private static final long PERF_FLAG_FD_CLOEXEC = 8;
  private static final int SOL_SOCKET = 1;
  private static final int SO_ACCEPTCONN = 30;

  /** Public only because jnr-ffi implements it. */
  public interface LibC {
    long syscall(long number, long a, long b, long c, long d, long e, long f);
  }

  private static final LibC LIBC = LibraryLoader.create(LibC.class).load("c");
  private static final Runtime RUNTIME = Runtime.getRuntime(LIBC);
  private static final MemoryIO MEMORY = MemoryIO.getInstance();
  private static final Numbers NUMBERS = Numbers.ofThisProcessor();

  private Native() {}

  /** System call numbers, -1 where we do not know the processor. */
  private record Numbers(
      long bpf,
      long mmap,
      long munmap,
      long close,
      long getsockopt,
      long perfEventOpen,
      long ioctl) {
    static Numbers ofThisProcessor() {
      return switch (System.getProperty("os.arch", "")) {
        case "amd64", "x86_64" -> new Numbers(321, 9, 11, 3, 55, 298, 16);
        case "aarch64" -> new Numbers(280, 222, 215, 57, 209, 241, 29);
        default -> new Numbers(-1, -1, -1, -1, -1, -1, -1);
      };
    }
  }

  /** The result, or -errno. */
  private static long call(long number, long a, long b, long c, long d, long e, long f) {
    if (number < 0) {
      return -ENOSYS;
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

  /** ioctl(2) with a number; the result, or -errno. */
  static int ioctl(int fd, long request, long argument) {
    return (int) call(NUMBERS.ioctl, fd, request, argument, 0, 0, 0);
  }

  /** Whether a descriptor is a listening socket; false for anything else. */
  static boolean isListening(int fd) {
    ByteBuffer value = allocate(4);
    ByteBuffer length = allocate(4).putInt(0, 4);
    try {
      return call(
                  NUMBERS.getsockopt,
                  fd,
                  SOL_SOCKET,
                  SO_ACCEPTCONN,
                  address(value),
                  address(length),
                  0)
              == 0
          && value.getInt(0) == 1;
    } finally {
      Reference.reachabilityFence(value);
      Reference.reachabilityFence(length);
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
