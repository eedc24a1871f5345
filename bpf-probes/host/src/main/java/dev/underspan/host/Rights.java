package dev.underspan.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What the kernel lets this process do, by /proc/self/status: capabilities, seccomp, namespace. */
public final class Rights {
  /** By number; linux/capability.h. */
  private static final List<String> NAMES =
      List.of(
          "CHOWN",
          "DAC_OVERRIDE",
          "DAC_READ_SEARCH",
          "FOWNER",
          "FSETID",
          "KILL",
          "SETGID",
          "SETUID",
          "SETPCAP",
          "LINUX_IMMUTABLE",
          "NET_BIND_SERVICE",
          "NET_BROADCAST",
          "NET_ADMIN",
          "NET_RAW",
          "IPC_LOCK",
          "IPC_OWNER",
          "SYS_MODULE",
          "SYS_RAWIO",
          "SYS_CHROOT",
          "SYS_PTRACE",
          "SYS_PACCT",
          "SYS_ADMIN",
          "SYS_BOOT",
          "SYS_NICE",
          "SYS_RESOURCE",
          "SYS_TIME",
          "SYS_TTY_CONFIG",
          "MKNOD",
          "LEASE",
          "AUDIT_WRITE",
          "AUDIT_CONTROL",
          "SETFCAP",
          "MAC_OVERRIDE",
          "MAC_ADMIN",
          "SYSLOG",
          "WAKE_ALARM",
          "BLOCK_SUSPEND",
          "AUDIT_READ",
          "PERFMON",
          "BPF",
          "CHECKPOINT_RESTORE");

  /** What we need; SYS_ADMIN stands for both. */
  private static final List<String> NEEDED = List.of("BPF", "PERFMON");

  /** The first user namespace's inode: PROC_USER_INIT_INO in linux/proc_ns.h. */
  private static final String MACHINE_USERS = "user:[4026531837]";

  /** One of the five sets that a thread has. */
  public enum Kind {
    EFFECTIVE("CapEff"),
    PERMITTED("CapPrm"),
    INHERITABLE("CapInh"),
    BOUNDING("CapBnd"),
    AMBIENT("CapAmb");

    private final String key;

    Kind(String key) {
      this.key = key;
    }
  }

  private final Map<String, String> status;

  private Rights(Map<String, String> status) {
    this.status = status;
  }

  /** As they are now. */
  public static Rights ofThisProcess() {
    Map<String, String> status = new HashMap<>();
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
        int colon = line.indexOf(':');
        if (colon > 0) {
          status.put(line.substring(0, colon), line.substring(colon + 1).trim());
        }
      }
    } catch (IOException e) {
      status.clear(); // without /proc nothing is known
    }
    return new Rights(status);
  }

  /** A line of /proc/self/status; null where the kernel does not have it. */
  public @Nullable String status(String key) {
    return status.get(key);
  }

  /** Names without CAP_; null when they cannot be told. */
  public @Nullable List<String> capabilities(Kind kind) {
    String value = status.get(kind.key);
    if (value == null) {
      return null;
    }
    long bits = Long.parseUnsignedLong(value, 16);
    List<String> names = new ArrayList<>();
    for (int i = 0; i < Long.SIZE; i++) {
      if ((bits >> i & 1) != 0) {
        names.add(i < NAMES.size() ? NAMES.get(i) : String.format(Locale.ROOT, "%d", i));
      }
    }
    return names;
  }

  /** Of those that we need, those that a set has not; empty also when it cannot be told. */
  public List<String> missing(Kind kind) {
    List<String> has = capabilities(kind);
    if (has == null || has.contains("SYS_ADMIN")) {
      return List.of();
    }
    return NEEDED.stream().filter(name -> !has.contains(name)).map(name -> "CAP_" + name).toList();
  }

  /** Whether system calls are filtered. */
  public boolean seccomp() {
    return "2".equals(status.get("Seccomp"));
  }

  /**
   * Whether this process is in a user namespace other than the machine's: bpf(2) wants capabilities
   * of the machine's.
   */
  public static boolean ownUserNamespace() {
    try {
      String name = Files.readSymbolicLink(Path.of("/proc/self/ns/user")).toString();
      return !name.equals(MACHINE_USERS);
    } catch (IOException e) {
      return false;
    }
  }

  /** Whether bpf(2) reaches the kernel; no says by what it is answered instead. */
  public static Finding bpfCall() {
    return reaches(Native.bpf(Integer.MAX_VALUE, Native.allocate(16)), "bpf(2)");
  }

  /** The same of perf_event_open(2), which uprobes need. */
  public static Finding perfCall() {
    return reaches(Native.perfEventOpenNothing(), "perf_event_open(2)");
  }

  /** To nonsense the kernel itself says EINVAL, whatever the rights. */
  private static Finding reaches(int result, String call) {
    return switch (-result) {
      case Errno.EINVAL -> Finding.yes();
      case Errno.ENOSYS -> Finding.no(call + " is answered by ENOSYS");
      case Errno.EPERM, Errno.EACCES -> Finding.no(call + " is answered by EPERM");
      default -> Finding.unknown(call + " is answered by " + Errno.name(-result));
    };
  }
}
