package dev.underspan.runtime.doctor;

import dev.underspan.host.Finding;
import dev.underspan.host.Rights;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What this process may do, and in what it is confined. */
final class ProcessFacts {
  /** The first namespaces of the machine: PROC_*_INIT_INO in linux/proc_ns.h. */
  private static final Map<String, String> MACHINE =
      Map.of("user", "4026531837", "pid", "4026531836", "cgroup", "4026531835");

  private ProcessFacts() {}

  static Report.Self look() {
    Rights rights = Rights.ofThisProcess();
    Map<String, List<String>> capabilities = new LinkedHashMap<>();
    for (Rights.Kind kind : Rights.Kind.values()) {
      List<String> names = rights.capabilities(kind);
      if (names != null) {
        capabilities.put(kind.name().toLowerCase(Locale.ROOT), names);
      }
    }
    Map<String, String> namespaces = new LinkedHashMap<>();
    for (String kind : List.of("user", "pid", "cgroup")) {
      namespaces.put(kind, namespace(kind));
    }
    String uids = rights.status("Uid");
    return new Report.Self(
        uids == null ? null : uids.split("\\s+", 3)[1], // the effective one
        capabilities,
        "1".equals(rights.status("NoNewPrivs")),
        seccomp(rights.status("Seccomp")),
        call(Rights::bpfCall),
        call(Rights::perfCall),
        memlock(),
        namespaces,
        containerHints());
  }

  private static Finding call(Supplier<Finding> trial) {
    try {
      return trial.get();
    } catch (RuntimeException | LinkageError e) {
      return Finding.unknown("the native part cannot be used here: " + e);
    }
  }

  private static String seccomp(@Nullable String mode) {
    return switch (mode == null ? "" : mode) {
      case "0" -> "off";
      case "1" -> "strict";
      case "2" -> "filter";
      default -> "unknown";
    };
  }

  private static @Nullable String memlock() {
    for (String line : Proc.lines("/proc/self/limits")) {
      if (line.startsWith("Max locked memory")) {
        String[] fields = line.substring("Max locked memory".length()).trim().split("\\s+", -1);
        return fields[0].equals("unlimited") ? fields[0] : fields[0] + " bytes";
      }
    }
    return null;
  }

  private static String namespace(String kind) {
    try {
      String name = Files.readSymbolicLink(Path.of("/proc/self/ns/" + kind)).toString();
      return name.equals(kind + ":[" + MACHINE.get(kind) + "]") ? "machine" : "own";
    } catch (IOException e) {
      return "unknown";
    }
  }

  private static List<String> containerHints() {
    List<String> hints = new ArrayList<>();
    for (String file : List.of("/.dockerenv", "/run/.containerenv")) {
      if (Files.exists(Path.of(file))) {
        hints.add(file);
      }
    }
    for (String variable : List.of("KUBERNETES_SERVICE_HOST", "container")) {
      if (System.getenv(variable) != null) {
        hints.add("$" + variable);
      }
    }
    for (String line : Proc.lines("/proc/self/cgroup")) {
      for (String name : List.of("docker", "kubepods", "libpod", "containerd", "lxc")) {
        String hint = "cgroup " + name;
        if (line.contains(name) && !hints.contains(hint)) {
          hints.add(hint);
        }
      }
    }
    return hints;
  }
}
