import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The BPF programs that the kernel has, and what it counts of them. Root. */
final class BpfPrograms {
  private static final Path STATS = Path.of("/proc/sys/kernel/bpf_stats_enabled");

  private BpfPrograms() {}

  record Sample(String name, long runs, long ns) {}

  /** Switches counting on or off; how it was before. */
  static String statistics(String wanted) throws Exception {
    String before = Files.readString(STATS).trim();
    Files.writeString(STATS, wanted);
    return before;
  }

  /** By id. */
  static Map<Integer, Sample> all() throws Exception {
    Map<Integer, Sample> programs = new TreeMap<>();
    String json = run("bpftool", "-j", "prog", "show");
    for (String entry : json.split("\\{\"id\":")) {
      Matcher id = Pattern.compile("^(\\d+),").matcher(entry);
      if (id.find()) {
        programs.put(
            Integer.parseInt(id.group(1)),
            new Sample(
                field(entry, "name\":\"(\\w+)"),
                Long.parseLong(field(entry, "run_cnt\":(\\d+)")),
                Long.parseLong(field(entry, "run_time_ns\":(\\d+)"))));
      }
    }
    return programs;
  }

  private static String field(String entry, String pattern) {
    Matcher matcher = Pattern.compile(pattern).matcher(entry);
    return matcher.find() ? matcher.group(1) : "0";
  }

  static String run(String... command) throws Exception {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String text = new String(process.getInputStream().readAllBytes());
    if (process.waitFor() != 0) {
      throw new IllegalStateException(String.join(" ", command) + ": " + text);
    }
    return text;
  }
}
