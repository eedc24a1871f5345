import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/**
 * What our scheduler programs cost beside an empty one and beside runqlat, cpudist and offcputime of
 * libbpf-tools, all attached at once over the same switches, by the kernel's own statistics
 * (kernel.bpf_stats_enabled). Two phases: switches between threads of another process, then between
 * threads of the observed one, each on one processor. Root. Prints; asserts nothing.
 *
 * <p>Targets: net of the empty program at most 15 ns a switch of others and 150 ns a switch of ours;
 * all of ours at most half of the three tools together.
 *
 * <p>{@code BpfCost AGENT_JAR ATTACH_EMPTY [filtered]}; {@code filtered}: the tools look at
 * the observed process only, too.
 */
public class BpfCost {
  private static final int ROUNDS = 150_000;
  private static final int REPEATS = 3;
  private static final Set<String> OURS = Set.of("on_switch", "on_wakeup", "on_fork", "on_exit");

  private static final List<String> TOOLS = List.of("runqlat", "cpudist", "offcputime");

  private static final List<Process> started = new ArrayList<>();

  public static void main(String[] args) throws Exception {
    String jar = args[0];
    String before = BpfPrograms.statistics("1");
    Path classes = Files.createTempDirectory("underspan-bench");
    try {
      BpfPrograms.run("javac", "-d", classes.toString(), new File("SwitchLoad.java").getPath());
      Set<Integer> old = BpfPrograms.all().keySet();
      Process empty = new ProcessBuilder(args[1]).start();
      started.add(empty);
      empty.inputReader().readLine();
      Map<Integer, String> groups = new TreeMap<>();
      claim(groups, old, "empty");
      Load observed = new Load(classes, jar);
      claim(groups, old, "underspan");
      for (String tool : TOOLS) {
        if (!isInstalled(tool)) {
          System.out.println(tool + " is not installed (Debian: libbpf-tools), so not compared");
          continue;
        }
        List<String> command = new ArrayList<>(List.of(tool));
        if (args.length > 2 && args[2].equals("filtered")) {
          command.addAll(List.of("-p", Long.toString(observed.process.pid())));
        }
        command.add("600");
        started.add(
            new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start());
        TimeUnit.SECONDS.sleep(3);
        claim(groups, old, tool);
      }
      Load other = new Load(classes, null);
      System.out.println("switches of another process");
      phase(other, groups, System.out);
      System.out.println("switches of the observed process");
      phase(observed, groups, System.out);
    } finally {
      BpfPrograms.statistics(before);
      for (Process process : started) {
        process.destroy();
        process.waitFor();
      }
      BpfPrograms.run("rm", "-rf", classes.toString());
    }
  }

  /** A JVM on one processor that switches between two threads when told. */
  private static final class Load {
    final Process process;
    final PrintStream in;
    final BufferedReader out;

    Load(Path classes, String jar) throws Exception {
      List<String> command = new ArrayList<>(List.of("taskset", "-c", "1", "java", "-Xmx128m"));
      if (jar != null) {
        command.add("-javaagent:" + jar);
      }
      command.addAll(List.of("-cp", classes.toString(), "SwitchLoad"));
      ProcessBuilder builder = new ProcessBuilder(command);
      builder.environment().put("OTEL_TRACES_EXPORTER", "none");
      process = builder.redirectError(ProcessBuilder.Redirect.PIPE).start();
      started.add(process);
      out = process.inputReader();
      in = new PrintStream(process.getOutputStream(), true);
      out.readLine();
      if (jar != null) {
        BufferedReader errors = process.errorReader();
        String line;
        do {
          line = errors.readLine();
          if (line == null) {
            throw new IllegalStateException("the observed JVM ended");
          }
          System.out.println(line);
        } while (!line.contains("level "));
      }
      switches(20_000);
    }

    long switches(int rounds) throws IOException {
      in.println(rounds);
      return Long.parseLong(out.readLine());
    }
  }

  private static void phase(Load load, Map<Integer, String> groups, PrintStream out)
      throws Exception {
    List<Map<String, double[]>> rows = new ArrayList<>();
    List<Long> round = new ArrayList<>();
    for (int i = 0; i < REPEATS; i++) {
      Map<Integer, BpfPrograms.Sample> before = BpfPrograms.all();
      round.add(load.switches(ROUNDS));
      Map<Integer, BpfPrograms.Sample> after = BpfPrograms.all();
      Map<String, double[]> row = new LinkedHashMap<>();
      groups.forEach(
          (id, group) -> {
            BpfPrograms.Sample a = before.get(id);
            BpfPrograms.Sample b = after.get(id);
            if (a != null && b != null && b.runs() > a.runs()) {
              double[] sum =
                  row.computeIfAbsent(String.format("%-10s %-16s", group, b.name()), k -> new double[2]);
              sum[0] += b.runs() - a.runs();
              sum[1] += b.ns() - a.ns();
            }
          });
      rows.add(row);
    }
    Map<String, double[]> total = new LinkedHashMap<>();
    for (String name : rows.get(0).keySet()) {
      List<double[]> values = new ArrayList<>();
      rows.forEach(row -> values.add(row.getOrDefault(name, new double[] {1, 0})));
      values.sort(Comparator.comparingDouble(v -> v[1] / v[0]));
      double[] median = values.get(values.size() / 2);
      out.printf("  %s %9.0f runs %7.1f ns a run%n", name, median[0], median[1] / median[0]);
      double[] sum = total.computeIfAbsent(name.substring(0, 10).trim(), k -> new double[1]);
      sum[0] += median[1] / 2 / ROUNDS;
    }
    double switching = net(rows, "on_switch");
    out.printf("  on_switch net of the empty program: %.1f ns a run%n", switching);
    double tools = 0;
    for (String tool : TOOLS) {
      tools += total.getOrDefault(tool, new double[1])[0];
    }
    total.forEach((group, ns) -> out.printf("  %-10s %7.1f ns a switch in all%n", group, ns[0]));
    if (tools > 0) {
      out.printf("  underspan : tools = %.2f%n", total.get("underspan")[0] / tools);
    }
    out.println("  a round of two switches takes " + round + " ns");
  }

  /** Median cost a run of a program of ours, less the empty one's. */
  private static double net(List<Map<String, double[]>> rows, String program) {
    List<Double> differences = new ArrayList<>();
    for (Map<String, double[]> row : rows) {
      double ours = 0;
      double empty = 0;
      for (Map.Entry<String, double[]> entry : row.entrySet()) {
        double cost = entry.getValue()[1] / entry.getValue()[0];
        if (entry.getKey().contains(program)) {
          ours = cost;
        } else if (entry.getKey().startsWith("empty")) {
          empty = cost;
        }
      }
      differences.add(ours - empty);
    }
    differences.sort(null);
    return differences.get(differences.size() / 2);
  }

  private static boolean isInstalled(String tool) {
    for (String directory : System.getenv("PATH").split(":")) {
      if (Files.isExecutable(Path.of(directory, tool))) {
        return true;
      }
    }
    return false;
  }

  private static void claim(Map<Integer, String> groups, Set<Integer> old, String group)
      throws Exception {
    BpfPrograms.all().keySet().stream()
        .filter(id -> !old.contains(id) && !groups.containsKey(id))
        .forEach(id -> groups.put(id, group));
  }
}
