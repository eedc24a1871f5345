package dev.underspan;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/**
 * A way to start a JVM with less than root on this machine has.
 *
 * @param name for people
 * @param wrapper what the JVM is started by
 * @param level at which the agent then is
 * @param told what its line says besides
 */
record Confinement(String name, List<String> wrapper, String level, List<String> told) {
  private static final int NOBODY = 65534;
  private static final int EPERM = 1;
  private static final int ENOSYS = 38;

  /** System calls by processor: bpf and perf_event_open. */
  private static final Map<String, int[]> NUMBERS =
      Map.of("amd64", new int[] {321, 298}, "aarch64", new int[] {280, 241});

  @Override
  public String toString() {
    return name;
  }

  /** All of them. */
  static List<Confinement> all(Path directory) throws Exception {
    int[] numbers = NUMBERS.get(System.getProperty("os.arch"));
    String forbid = compile(directory).toString();
    String empty = Files.createDirectory(directory.resolve("empty")).toString();
    String noexec = Files.createDirectory(directory.resolve("noexec")).toString();
    List<Confinement> all = new ArrayList<>();

    all.add(of("root", List.of(), "kernel"));
    all.add(
        of(
            "nobody, nothing left to grant",
            nobody("-all", "--bounding-set=-all"),
            "process",
            "lacks CAP_BPF and CAP_PERFMON, and its bounding set too",
            "whoever starts it must"));
    all.add(of("nobody", nobody("-all"), "process", "lacks CAP_BPF and CAP_PERFMON; grant them"));
    all.add(twoCapabilities());
    all.add(of("nobody with BPF only", nobody("+bpf"), "process", "lacks CAP_PERFMON; grant them"));
    all.add(
        of("nobody with PERFMON only", nobody("+perfmon"), "process", "lacks CAP_BPF; grant them"));
    all.add(of("nobody with SYS_ADMIN only", nobody("+sys_admin"), "kernel"));
    for (String left : List.of("bpf", "perfmon")) {
      all.add(
          of(
              "root without SYS_ADMIN and " + left.toUpperCase(Locale.ROOT),
              List.of(
                  "setpriv",
                  "--bounding-set=-sys_admin,-" + left,
                  "--inh-caps=-sys_admin,-" + left),
              "process",
              "lacks CAP_" + left.toUpperCase(Locale.ROOT)));
    }
    all.add(
        of(
            "root without SYS_ADMIN, SYS_PTRACE and SYS_RESOURCE",
            List.of("setpriv", "--bounding-set=-sys_admin,-sys_ptrace,-sys_resource"),
            "kernel"));
    all.add(
        of(
            "root of a user namespace",
            List.of("unshare", "--user", "--map-root-user"),
            "process",
            "user namespace of its own"));
    all.add(
        of(
            "seccomp answers bpf with EPERM",
            List.of(forbid, "" + EPERM, "" + numbers[0]),
            "process",
            "A seccomp filter forbids it",
            "bpf(2) is answered by EPERM"));
    all.add(
        of(
            "seccomp answers bpf with ENOSYS",
            List.of(forbid, "" + ENOSYS, "" + numbers[0]),
            "process",
            "A seccomp filter forbids it",
            "bpf(2) is answered by ENOSYS"));
    all.add(
        of(
            "seccomp forbids perf_event_open",
            List.of(forbid, "" + EPERM, "" + numbers[1]),
            "kernel"));
    all.add(of("no memory may be locked", List.of("prlimit", "--memlock=0"), "kernel"));
    all.add(of("no HOME", List.of("env", "-u", "HOME"), "kernel"));
    all.add(mounts("read-only root", "mount -o remount,bind,ro /", "kernel"));
    all.add(
        mounts(
            "read-only everywhere",
            "awk '$5 ~ /^\\/(dev|dev\\/shm|run|tmp|var\\/tmp)?$/ {print $5}' /proc/self/mountinfo | sort -u |"
                + " while read at; do mount -o remount,bind,ro $at; done",
            "process",
            "-Djava.io.tmpdir=")); // /run and /var/tmp are on the root file system, or tmpfs: see
    // below
    all.add(
        mounts(
            "a temporary directory that is noexec",
            "mount -t tmpfs -o noexec none "
                + noexec
                + "; export JAVA_TOOL_OPTIONS=-Djava.io.tmpdir="
                + noexec,
            "kernel"));
    all.add(mounts("no /sys", "umount --lazy /sys", "kernel"));
    all.add(mounts("no BTF to be read", "mount --bind " + empty + " /sys/kernel/btf", "kernel"));
    all.add(
        of(
            "a PID namespace",
            List.of("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"),
            "kernel"));
    return all;
  }

  /** An ordinary user with the two capabilities that are needed, and no others. */
  static Confinement twoCapabilities() {
    return of("nobody with BPF and PERFMON", nobody("+bpf,+perfmon"), "kernel");
  }

  /** In a place where no sidecar is, whatever else runs on the machine. */
  private static Confinement of(String name, List<String> wrapper, String level, String... told) {
    List<String> whole = new ArrayList<>();
    whole.addAll(
        List.of("unshare", "--mount", "sh", "-ec", "mount -t tmpfs none /run; exec \"$@\"", "sh"));
    whole.addAll(wrapper);
    return new Confinement(name, whole, level, List.of(told));
  }

  private static List<String> nobody(String capabilities, String... more) {
    List<String> wrapper = new ArrayList<>();
    wrapper.addAll(List.of("setpriv", "--reuid=" + NOBODY, "--regid=" + NOBODY, "--clear-groups"));
    wrapper.add("--inh-caps=" + capabilities);
    if (capabilities.startsWith("+")) {
      wrapper.add("--ambient-caps=" + capabilities);
    }
    wrapper.addAll(List.of(more));
    return wrapper;
  }

  private static Confinement mounts(String name, String change, String level, String... told) {
    return of(name, List.of("sh", "-ec", change + "; exec \"$@\"", "sh"), level, told);
  }

  private static Path compile(Path directory) throws Exception {
    Path source = directory.resolve("forbid.c");
    try (var in = Confinement.class.getResourceAsStream("/native/forbid.c")) {
      Files.write(source, Objects.requireNonNull(in).readAllBytes());
    }
    Path program = directory.resolve("forbid");
    Process compiler =
        new ProcessBuilder("cc", "-O1", "-o", program.toString(), source.toString())
            .redirectErrorStream(true)
            .start();
    String said = new String(compiler.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (compiler.waitFor() != 0) {
      throw new IllegalStateException(said);
    }
    return program;
  }
}
