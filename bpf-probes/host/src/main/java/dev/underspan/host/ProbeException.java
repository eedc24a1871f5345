package dev.underspan.host;

import java.util.List;

/** The kernel side could not be had. The message gives cause, evidence and next action. */
public final class ProbeException extends Exception {
  private static final long serialVersionUID = 1;

  private static final String OLD_KERNEL =
      "The kernel knows not all that the programs need (5.18 or newer for the ledger, 6.3 or newer"
          + " for sockets by tracepoints)";

  private static final int ENOENT = 2;
  private static final int EPIPE = 32;
  static final int ECONNRESET = 104;
  private static final int ECONNREFUSED = 111;

  private final int errno;

  private ProbeException(String message, int errno) {
    super(message);
    this.errno = errno;
  }

  /** The kernel's error number, 0 if there was none. */
  public int errno() {
    return errno;
  }

  static ProbeException of(String action, int errno, String verifierLog) {
    StringBuilder text = new StringBuilder(action).append(" failed: ").append(name(errno));
    switch (errno) {
      case Native.EPERM, Native.EACCES ->
          text.append(". ").append(Refusal.explain()).append(verifierTail(verifierLog));
      // With CAP_BPF alone, and under lockdown, the kernel answers EINVAL too.
      case Native.EINVAL ->
          text.append(". ").append(otherwise(OLD_KERNEL)).append(verifierTail(verifierLog));
      case Native.ENOSYS ->
          text.append(". ")
              .append(otherwise("This kernel or processor architecture has no bpf() for us"));
      default -> text.append(verifierTail(verifierLog));
    }
    return new ProbeException(text.toString(), errno);
  }

  static ProbeException of(String message) {
    return new ProbeException(message, 0);
  }

  /** Sockets are seen in neither of the two ways. */
  static ProbeException noSockets(ProbeException byTracepoints, ProbeException byFunctions) {
    return new ProbeException(
        "by functions (on arm64 Linux 6.4 or newer): "
            + byFunctions.getMessage()
            + "; by tracepoints (Linux 6.3 or newer): "
            + byTracepoints.getMessage(),
        byFunctions.errno);
  }

  /** What the sidecar said. */
  static ProbeException refused(String why, int errno) {
    return new ProbeException("the sidecar refuses: " + why, errno);
  }

  /** Whether a sidecar did not answer because there is none, or because it has just ended. */
  public boolean isNobodyThere() {
    return errno == ENOENT || errno == EPIPE || errno == ECONNRESET || errno == ECONNREFUSED;
  }

  /** For a failure of the foreign function layer, which throws what it likes. */
  public static String nativePart(Throwable failure) {
    Throwable cause = failure;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    return "the native part cannot be used here: "
        + cause.toString().replaceAll("\\s+", " ")
        + "; its library is unpacked to java.io.tmpdir ("
        + System.getProperty("java.io.tmpdir")
        + "), or /dev/shm, /run, /var/tmp, /dev: one must be writable and not mounted noexec; or give"
        + " another with -Djava.io.tmpdir=…";
  }

  private static String otherwise(String text) {
    String cause = Refusal.cause();
    return cause == null ? text : cause;
  }

  /** The last lines tell why; the whole log may be megabytes. */
  private static String verifierTail(String log) {
    if (log.isBlank()) {
      return "";
    }
    List<String> lines = log.strip().lines().toList();
    StringBuilder tail = new StringBuilder("; the kernel's verifier says:");
    for (int i = Math.max(0, lines.size() - 4); i < lines.size(); i++) {
      tail.append("\n  ").append(lines.get(i));
    }
    return tail.toString();
  }

  static String name(int errno) {
    return switch (errno) {
      case Native.EPERM -> "EPERM (not permitted)";
      case ENOENT -> "ENOENT (not found)";
      case 3 -> "ESRCH (no such symbol in this kernel)";
      case 7 -> "E2BIG (too large)";
      case 12 -> "ENOMEM (out of memory, or RLIMIT_MEMLOCK on an old kernel)";
      case Native.EACCES -> "EACCES (refused)";
      case Native.EINVAL -> "EINVAL (invalid argument)";
      case Native.ENOSYS -> "ENOSYS (no such system call)";
      case 95 -> "EOPNOTSUPP (not supported)";
      case ECONNRESET -> "ECONNRESET (the other end has closed)";
      case 524 -> "ENOTSUPP (not supported by this kernel on this processor)";
      case ECONNREFUSED -> "ECONNREFUSED (nobody listens)";
      default -> "errno " + errno;
    };
  }
}
