package dev.underspan.host;

import java.nio.file.Files;
import java.nio.file.Path;
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
    StringBuilder text = new StringBuilder(action).append(" failed: ").append(name(errno));
    switch (errno) {
      case Native.EPERM, Native.EACCES ->
          text.append(". ").append(missingRights()).append(verifierTail(verifierLog));
      case Native.EINVAL ->
          // With CAP_BPF alone, newer kernels refuse the programs' calls as ones that there are
          // not.
          text.append(". ")
              .append(missingCapabilities().isEmpty() ? OLD_KERNEL : missingRights())
              .append(verifierTail(verifierLog));
      case Native.ENOSYS ->
          text.append(". This kernel or processor architecture has no bpf() for us");
      default -> text.append(verifierTail(verifierLog));
    }
    return new ProbeException(text.toString(), errno);
  }

  static ProbeException of(String message) {
    return new ProbeException(message, 0);
  }

  /** What the sidecar said. */
  static ProbeException refused(String why, int errno) {
    return new ProbeException("the sidecar refuses: " + why, errno);
  }

  private static String missingRights() {
    String missing = missingCapabilities();
    if (!missing.isEmpty()) {
      return "The process lacks "
          + missing
          + "; grant them (for example: setcap, or capabilities.add of the container)";
    }
    return "The process has CAP_BPF and CAP_PERFMON, so something else forbids it: a seccomp filter"
        + " without bpf(2), or lockdown (see /sys/kernel/security/lockdown)";
  }

  /** Of those that the programs need; empty: none. */
  private static String missingCapabilities() {
    long effective = effectiveCapabilities();
    StringBuilder missing = new StringBuilder();
    if (effective >= 0) {
      if ((effective >> 39 & 1) == 0 && (effective >> 21 & 1) == 0) {
        missing.append("CAP_BPF ");
      }
      if ((effective >> 38 & 1) == 0 && (effective >> 21 & 1) == 0) {
        missing.append("CAP_PERFMON ");
      }
    }
    return missing.toString().trim().replace(" ", " and ");
  }

  private static long effectiveCapabilities() {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
        if (line.startsWith("CapEff:")) {
          return Long.parseUnsignedLong(line.substring(7).trim(), 16);
        }
      }
    } catch (java.io.IOException | NumberFormatException e) {
      return -1;
    }
    return -1;
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

  private static String name(int errno) {
    return switch (errno) {
      case Native.EPERM -> "EPERM (not permitted)";
      case 2 -> "ENOENT (not found)";
      case 3 -> "ESRCH (no such symbol in this kernel)";
      case 7 -> "E2BIG (too large)";
      case 12 -> "ENOMEM (out of memory, or RLIMIT_MEMLOCK on an old kernel)";
      case Native.EACCES -> "EACCES (refused)";
      case Native.EINVAL -> "EINVAL (invalid argument)";
      case Native.ENOSYS -> "ENOSYS (no such system call)";
      case 95 -> "EOPNOTSUPP (not supported)";
      default -> "errno " + errno;
    };
  }
}
