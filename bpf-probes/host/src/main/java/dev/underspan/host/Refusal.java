package dev.underspan.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Why the kernel says no, and what to do: found by looking, the surest cause first. */
final class Refusal {
  private static final Path LOCKDOWN = Path.of("/sys/kernel/security/lockdown");

  /**
   * What a security module has set for the process: a profile of AppArmor, a context of SELinux.
   */
  private static final Path CONFINED = Path.of("/proc/self/attr/current");

  private Refusal() {}

  /** For a refusal of rights; always something. */
  static String explain() {
    String cause = cause();
    if (cause != null) {
      return cause;
    }
    String confined = confined();
    return confined != null
        ? confined
        : "The process has CAP_BPF and CAP_PERFMON, so something else forbids it: a security module,"
            + " or lockdown (see "
            + LOCKDOWN
            + ")";
  }

  /** Only after everything else: that a process is confined does not say that this is forbidden. */
  private static @Nullable String confined() {
    String by = text(CONFINED).replace("\0", "").strip();
    if (by.isEmpty() || by.startsWith("unconfined")) {
      return null;
    }
    return "The process has CAP_BPF and CAP_PERFMON, so something else forbids it, most likely the"
        + " security module that runs it as '"
        + by
        + "' ("
        + CONFINED
        + "); let that profile of AppArmor, or domain of SELinux, pass the two capabilities and"
        + " bpf(2), or choose another for the process";
  }

  /** The programs are fitted to the kernel by it. */
  private static @Nullable String withoutTypes() {
    return KernelTypes.areMissing()
        ? "This kernel has no type information: it was built without CONFIG_DEBUG_INFO_BTF; the"
            + " kernels of the distributions have it"
        : null;
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return ""; // not in this kernel, or not to be seen from here
    }
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
    if (filtered != null) {
      return filtered;
    }
    String lockdown = lockdown();
    return lockdown != null ? lockdown : withoutTypes();
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
    return text(LOCKDOWN).contains("[confidentiality]")
        ? "The kernel is locked down ([confidentiality] in "
            + LOCKDOWN
            + "), which forbids programs that read its memory; boot with lockdown=integrity"
        : null;
  }
}
