package dev.underspan.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Tries every program on the running kernel: loads the sets, attaches each program alone and takes
 * it away again. Nothing stays, however the process ends: nothing is pinned.
 */
public final class ProbeTrial {
  private static final String BTF_TRACEPOINT = "tp_btf/";

  /** What is attached to a place in a file of the process; all others have theirs in the kernel. */
  private static final Set<String> IN_FILES = Set.of("uprobe", "uretprobe");

  /**
   * What became of a program.
   *
   * @param set ledger where it is one of those for accounts, which are the same in each set
   * @param attached whether it could be loaded and attached, alone
   * @param instructions as compiled
   * @param translated instructions as the kernel rewrote them; 0: not loaded
   * @param verified instructions that the verifier followed, over all paths; 0: not loaded
   * @param machineCodeBytes of compiled code; 0: not loaded, or interpreted
   * @param helpers functions of the kernel that it may call, name by number
   */
  public record Program(
      String name,
      String set,
      String target,
      Finding attached,
      int instructions,
      int translated,
      int verified,
      int machineCodeBytes,
      Map<Integer, String> helpers) {}

  /**
   * A map: those that the programs share, and those of a process, at their default size.
   *
   * @param memoryBytes as the kernel counts it; -1: it does not tell
   */
  public record BpfMap(
      String name, String type, int keyBytes, int valueBytes, int entries, long memoryBytes) {}

  private final Map<String, Finding> sets = new LinkedHashMap<>();
  private final List<Program> programs = new ArrayList<>();
  private final List<BpfMap> maps = new ArrayList<>();
  private Finding monitors = Finding.unknown("not tried");
  private @Nullable KernelTypes types;

  private ProbeTrial() {}

  /**
   * Runs it; the calling thread becomes one of the agent's for the time of the trial.
   *
   * @throws ProbeException if the jar has no programs for this processor
   */
  public static ProbeTrial run() throws ProbeException {
    ProbeTrial trial = new ProbeTrial();
    try (Programs used = trial.trySets()) {
      trial.tryAll(used);
    }
    trial.monitors = monitorFields();
    return trial;
  }

  /** Loads each set alone, and keeps the first that would be used; null if there is none. */
  private @Nullable Programs trySets() {
    Programs used = null;
    for (ProgramSet set : ProgramSet.values()) {
      if (!set.isNeeded() && !ProgramSet.preferences().contains(set)) {
        sets.put(set.id(), Finding.no("not needed: this kernel does not interrupt programs"));
        continue;
      }
      try {
        Programs loaded = new Programs(set, null);
        sets.put(set.id(), Finding.yes());
        if (used == null && ProgramSet.preferences().contains(set)) {
          used = loaded;
        } else {
          loaded.close();
        }
      } catch (ProbeException e) {
        sets.put(set.id(), Finding.of(e));
      }
    }
    return used;
  }

  /** The same answer for each set, where it could not even be tried. */
  public static Map<String, Finding> untried(Finding why) {
    Map<String, Finding> sets = new LinkedHashMap<>();
    for (ProgramSet set : ProgramSet.values()) {
      sets.put(set.id(), why);
    }
    return sets;
  }

  /** Whether each set could be loaded, the best first; the first that could is used. */
  public Map<String, Finding> sets() {
    return sets;
  }

  /** Of the set that is used, and the best one's where it is that of accounts or none. */
  public List<Program> programs() {
    return programs;
  }

  /** Whether it can be told by the JVM's own fields which monitor a thread waits for. */
  public Finding monitors() {
    return monitors;
  }

  private static Finding monitorFields() {
    try {
      return JavaMonitors.find(Libjvm.ofThisProcess()) == JavaMonitors.UNKNOWN
          ? Finding.no("libjvm's tables for debuggers are missing or cannot be read")
          : Finding.yes();
    } catch (ProbeException e) {
      return Finding.of(e);
    }
  }

  /** Empty when nothing could be loaded. */
  public List<BpfMap> maps() {
    return maps;
  }

  private void tryAll(@Nullable Programs loaded) throws ProbeException {
    ProgramSet set =
        loaded != null && loaded.set().hasSockets() ? loaded.set() : ProgramSet.TRACING;
    Map<String, Finding> run = loaded == null ? Map.of() : run(loaded);
    Map<String, Catalogue.Program> accounts = Catalogue.of(ProgramSet.LEDGER.id());
    for (Catalogue.Program program : Catalogue.of(set.id()).values()) {
      String name = program.name();
      LightSkeleton skeleton = loaded == null ? null : loaded.skeleton();
      ProgramInfo info =
          skeleton == null || !skeleton.has(name)
              ? new ProgramInfo(0, 0, 0)
              : ProgramInfo.of(skeleton.program(name));
      Finding attached =
          skeleton == null || !skeleton.has(name)
              ? withoutTrial(program.target())
              : run.containsKey(name) ? run.get(name) : attach(program, skeleton);
      programs.add(
          new Program(
              name,
              accounts.containsKey(name) ? ProgramSet.LEDGER.id() : set.id(),
              program.target(),
              attached,
              program.instructions(),
              info.translated() / 8,
              info.verified(),
              info.compiled(),
              program.helpers()));
    }
  }

  /** Those that are not attached but run, by name: this process is served for a moment. */
  private Map<String, Finding> run(Programs loaded) {
    LightSkeleton skeleton = loaded.skeleton();
    Map<String, Finding> run = new LinkedHashMap<>();
    for (String name : List.of("enrol", "admit", "admit_threads")) {
      run.put(name, Finding.unknown("not run"));
    }
    int slots = KernelProbes.DEFAULT_SLOTS;
    int self = -1;
    ProcessMaps own = null;
    try {
      int ring = loaded.socketsMissing() == null ? KernelProbes.DEFAULT_RING_BYTES : 0;
      own = ProcessMaps.create(slots, ring);
      skeleton.maps().stream().sorted().forEach(map -> add(map, skeleton.map(map)));
      add("this process's ledger", own.ledger());
      if (ring != 0) {
        add("this process's events", own.events());
        add("this process's requests", own.recent());
      }
      OwnPrograms host = new OwnPrograms(loaded, own, slots);
      run.put("enrol", Finding.yes());
      self = Native.openProcess((int) ProcessHandle.current().pid());
      host.programs().admit(OwnPrograms.NUMBER, self);
      run.put("admit", Finding.yes());
      run.put("admit_threads", Finding.yes());
    } catch (ProbeException e) {
      run.replaceAll((name, finding) -> finding.isYes() ? finding : Finding.of(e));
    } finally {
      Native.close(self);
      if (own != null) {
        own.close();
      }
    }
    return run;
  }

  private static Finding attach(Catalogue.Program program, LightSkeleton skeleton) {
    String name = program.name();
    try {
      if (IN_FILES.contains(program.target())) {
        attachUprobe(name, program.target().equals("uretprobe"), skeleton);
      } else {
        skeleton.attach(name);
        skeleton.detach(name);
      }
      return Finding.yes();
    } catch (ProbeException e) {
      return Finding.of(e);
    }
  }

  /** Those of TLS libraries, of which there may be none yet, are tried on the dynamic linker. */
  private static void attachUprobe(String name, boolean onReturn, LightSkeleton skeleton)
      throws ProbeException {
    Path file;
    long place;
    if (name.startsWith("on_safepoint_")) {
      Libjvm libjvm = Libjvm.ofThisProcess();
      file = libjvm.path();
      place = libjvm.usdt("hs_private", name.substring("on_".length()).replace("_", "__"));
    } else {
      DynamicLinker linker = DynamicLinker.ofThisProcess();
      file = linker.path();
      place = linker.mapped();
    }
    long self = ProcessHandle.current().pid();
    Native.close(skeleton.openUprobe(name, self, file.toString(), place, onReturn));
  }

  /** What can be told of a program whose set could not be loaded. */
  private Finding withoutTrial(String target) {
    if (target.startsWith(BTF_TRACEPOINT)) {
      String tracepoint = target.substring(BTF_TRACEPOINT.length());
      try {
        if (types == null) {
          types = KernelTypes.read(KernelTypes.FILE);
        }
        if (!types.hasTracepoint(tracepoint)) {
          return Finding.no("this kernel has no tracepoint " + tracepoint);
        }
      } catch (IOException e) {
        // Then it is not known either.
      }
    }
    return Finding.unknown("its set could not be loaded");
  }

  /** By /proc/self/fdinfo, which names neither the map nor its type in words. */
  private void add(String name, int fd) {
    int type = 0;
    int key = 0;
    int value = 0;
    int entries = 0;
    long memory = -1;
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/fdinfo/" + fd))) {
        String[] parts = line.split(":\\s*", 2);
        switch (parts[0]) {
          case "map_type" -> type = Integer.parseInt(parts[1]);
          case "key_size" -> key = Integer.parseInt(parts[1]);
          case "value_size" -> value = Integer.parseInt(parts[1]);
          case "max_entries" -> entries = Integer.parseInt(parts[1]);
          case "memlock" -> memory = Long.parseLong(parts[1]);
          default -> {}
        }
      }
    } catch (IOException e) {
      memory = -1;
    }
    maps.add(new BpfMap(name, typeName(type), key, value, entries, memory));
  }

  /** Those that we use: enum bpf_map_type of linux/bpf.h. */
  private static String typeName(int type) {
    return switch (type) {
      case 1 -> "hash";
      case 2 -> "array";
      case 6 -> "per-processor array";
      case 9 -> "least recently used hash";
      case 12 -> "array of maps";
      case 13 -> "hash of maps";
      case 22 -> "queue";
      case 24 -> "socket storage";
      case 27 -> "ring buffer";
      case 29 -> "task storage";
      default -> "type " + type;
    };
  }
}
