package dev.underspan.host;

import java.util.List;

/** The kernel side could not be had. The message gives cause, evidence and next action. */
public final class ProbeException extends Exception {
  private static final long serialVersionUID = 1;

  private static final String OLD_KERNEL =
      "The kernel knows not all that the programs need (5.18 or newer for the ledger, 6.3 or newer"
          + " for sockets by tracepoints)";

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
    StringBuilder text = new StringBuilder(action).append(" failed: ").append(Errno.name(errno));
    switch (errno) {
      case Errno.EPERM, Errno.EACCES ->
          text.append(". ").append(Refusal.explain()).append(verifierTail(verifierLog));
      // With CAP_BPF alone, and under lockdown, the kernel answers EINVAL too.
      case Errno.EINVAL ->
          text.append(". ").append(otherwise(OLD_KERNEL)).append(verifierTail(verifierLog));
      case Errno.ENOSYS ->
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
    return switch (errno) {
      case Errno.ENOENT, Errno.EPIPE, Errno.ECONNRESET, Errno.ECONNREFUSED -> true;
      default -> false;
    };
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
}
