package dev.underspan.runtime.doctor;

import dev.underspan.host.Finding;
import dev.underspan.host.ProbeTrial;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * All that the doctor found. These records are the JSON too, name by name, so a change here is one
 * of docs/doctor.schema.json, and one that is not an addition is a new {@link #FORMAT}.
 *
 * @param level what a JVM started here would get: kernel, sidecar or process
 * @param raise what would give more; empty when there is no more
 */
record Report(
    int format,
    String version,
    String level,
    List<String> raise,
    Kernel kernel,
    Self process,
    List<Mount> mounts,
    Cgroup cgroup,
    Map<String, Finding> features,
    Map<String, Finding> sets,
    List<ProbeTrial.Program> programs,
    List<ProbeTrial.BpfMap> maps,
    Safety safety,
    Jvm jvm,
    Sidecar sidecar) {
  static final int FORMAT = 1;

  /**
   * The kernel and how it is set.
   *
   * @param typeInformation whether /sys/kernel/btf/vmlinux can be read
   * @param lockdown none, integrity, confidentiality or unknown
   * @param securityModules as the kernel lists them
   */
  record Kernel(
      String release,
      String machine,
      Finding typeInformation,
      String lockdown,
      @Nullable String securityModules,
      @Nullable Integer unprivilegedBpfDisabled,
      @Nullable Integer perfEventParanoid) {}

  /**
   * This process, as the JVM would be.
   *
   * @param capabilities names without CAP_, by set: effective, permitted, inheritable, bounding,
   *     ambient
   * @param seccomp off, strict, filter or unknown
   * @param memlock RLIMIT_MEMLOCK; the kernel asks for it before Linux 5.11 only
   * @param namespaces of user, pid, cgroup: machine, own or unknown
   * @param containerHints what looks like a container
   */
  record Self(
      @Nullable String uid,
      Map<String, List<String>> capabilities,
      boolean noNewPrivileges,
      String seccomp,
      Finding bpfCall,
      Finding perfCall,
      @Nullable String memlock,
      Map<String, String> namespaces,
      List<String> containerHints) {}

  /** A file system that matters, and where it is mounted; not mounted if nowhere. */
  record Mount(String type, List<String> places) {}

  /**
   * Control groups.
   *
   * @param version v1, v2, both, none or unknown
   * @param cpuQuota processors that the quota in force allows; absent: no quota
   * @param cpuQuotaFrom the file that says so
   */
  record Cgroup(String version, @Nullable Double cpuQuota, @Nullable String cpuQuotaFrom) {}

  /** What makes the programs harmless. */
  record Safety(List<String> guarantees, List<Helper> helpers) {}

  /** A function of the kernel that programs of ours call. */
  record Helper(int number, String name, String meaning) {}

  /**
   * The JVM that runs the doctor.
   *
   * @param stopProbes whether its stops can be seen, by libjvm's USDT probes
   * @param virtualThreads whether it has them
   * @param agents whether agents can be given at start: -javaagent
   * @param attach whether agents can be loaded into it while it runs
   * @param options of variables that JVMs read, those that are there
   * @param otherAgents found in these
   */
  record Jvm(
      String home,
      String version,
      String vendor,
      Finding stopProbes,
      Finding virtualThreads,
      Finding agents,
      Finding attach,
      Map<String, String> options,
      List<String> otherAgents) {}

  /**
   * The sidecar.
   *
   * @param serves whether it served this process, which tried
   */
  record Sidecar(String socket, Finding present, Finding serves) {}
}
