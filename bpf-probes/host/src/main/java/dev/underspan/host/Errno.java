package dev.underspan.host;

/** Error numbers of Linux that we tell apart, the same on all its processors that we know. */
final class Errno {
  static final int EPERM = 1;
  static final int ENOENT = 2;
  static final int ESRCH = 3;
  static final int E2BIG = 7;
  static final int EBADF = 9;
  static final int EAGAIN = 11;
  static final int ENOMEM = 12;
  static final int EACCES = 13;
  static final int EINVAL = 22;
  static final int EPIPE = 32;
  static final int ENOSYS = 38;
  static final int EOPNOTSUPP = 95;
  static final int ECONNRESET = 104;
  static final int ECONNREFUSED = 111;

  /** The kernel's own, which should not come out of it but does. */
  static final int ENOTSUPP = 524;

  private Errno() {}

  /** Its name, and what it means where we meet it. */
  static String name(int errno) {
    return switch (errno) {
      case EPERM -> "EPERM (not permitted)";
      case ENOENT -> "ENOENT (not found)";
      case ESRCH -> "ESRCH (no such symbol in this kernel)";
      case E2BIG -> "E2BIG (too large)";
      case ENOMEM -> "ENOMEM (out of memory, or RLIMIT_MEMLOCK on an old kernel)";
      case EACCES -> "EACCES (refused)";
      case EINVAL -> "EINVAL (invalid argument)";
      case ENOSYS -> "ENOSYS (no such system call)";
      case EOPNOTSUPP -> "EOPNOTSUPP (not supported)";
      case ECONNRESET -> "ECONNRESET (the other end has closed)";
      case ENOTSUPP -> "ENOTSUPP (not supported by this kernel on this processor)";
      case ECONNREFUSED -> "ECONNREFUSED (nobody listens)";
      default -> "errno " + errno;
    };
  }
}
