package dev.underspan.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Why the kernel says no, and what to do: found by looking, the surest cause first. */
final class Refusal {
  private static final Path LOCKDOWN = Path.of("/sys/kernel/security/lockdown");

  private Refusal() {}

  /** For a refusal of rights; always something. */
  static String explain() {
    String cause = cause();
    return cause != null
        ? cause
        : "The process has CAP_BPF and CAP_PERFMON, so something else forbids it: a security module,"
            + " or lockdown (see "
            + LOCKDOWN
            + ")";
  }

  /** What forbids it, or null when nothing that can be seen does. */
  static @Nullable String cause() {
    Rights rights = Rights.ofThisProcess();
    if (Rights.ownUserNamespace()) {
      return "The process is in a user namespace of its own, and the kernel wants CAP_BPF and"
          + " CAP_PERFMON of the machine's; start the container with root's (not rootless,"
          + " hostUsers: true)";
    }
    List<String> missing = rights.missing(Rights.Kind.EFFECTIVE);
    if (!missing.isEmpty()) {
      String lacks = "The process lacks " + String.join(" and ", missing);
      return rights.missing(Rights.Kind.BOUNDING).isEmpty()
          ? lacks
              + "; grant them (for example: capabilities.add of the container,"
              + " AmbientCapabilities= of systemd)"
          : lacks
              + ", and its bounding set too, so nothing in here can grant them; whoever starts it"
              + " must (for example: capabilities.add of the container)";
    }
    String filtered = filtered(rights);
    return filtered != null ? filtered : lockdown();
  }

  private static @Nullable String filtered(Rights rights) {
    if (!rights.seccomp()) {
      return null;
    }
    for (Finding call : List.of(Rights.bpfCall(), Rights.perfCall())) {
      if (call.answer() == Answer.NO) {
        return "A seccomp filter forbids it ("
            + call.reason()
            + "); let the profile of the container pass bpf(2) and perf_event_open(2)";
      }
    }
    return null;
  }

  private static @Nullable String lockdown() {
    try {
      return Files.readString(LOCKDOWN).contains("[confidentiality]")
          ? "The kernel is locked down ([confidentiality] in "
              + LOCKDOWN
              + "), which forbids programs that read its memory; boot with lockdown=integrity"
          : null;
    } catch (IOException e) {
      return null; // no lockdown in this kernel, or not to be seen from here
    }
  }
}
