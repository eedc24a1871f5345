package dev.underspan.runtime.doctor;

import dev.underspan.host.Finding;
import dev.underspan.host.KernelTypes;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** The kernel and how it is set. */
final class KernelFacts {
  private KernelFacts() {}

  static Report.Kernel look() {
    return new Report.Kernel(
        System.getProperty("os.version", "unknown"),
        System.getProperty("os.arch", "unknown").replace("amd64", "x86_64"),
        types(),
        lockdown(),
        Proc.text("/sys/kernel/security/lsm"),
        Proc.number("/proc/sys/kernel/unprivileged_bpf_disabled"),
        Proc.number("/proc/sys/kernel/perf_event_paranoid"));
  }

  private static Finding types() {
    Path file = KernelTypes.FILE;
    if (Files.isReadable(file)) {
      long size = file.toFile().length();
      return Finding.yes(String.format(Locale.ROOT, "%s, %.1f MB", file, size / 1e6));
    }
    if (!Files.isDirectory(Path.of("/sys/kernel"))) {
      return Finding.unknown("/sys is not mounted");
    }
    return KernelTypes.areMissing()
        ? Finding.no("no " + file + ": a kernel built without CONFIG_DEBUG_INFO_BTF")
        : Finding.unknown(file + " cannot be read; hidden by a mount?");
  }

  private static String lockdown() {
    String states =
        Proc.text("/sys/kernel/security/lockdown"); // "none [integrity] confidentiality"
    if (states == null) {
      // An empty directory is where securityfs would be.
      return Proc.text("/sys/kernel/security/lsm") == null ? "unknown" : "none";
    }
    int open = states.indexOf('[');
    int close = states.indexOf(']');
    return open >= 0 && close > open ? states.substring(open + 1, close) : "unknown";
  }
}
