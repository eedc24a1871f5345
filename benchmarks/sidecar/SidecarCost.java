import java.io.BufferedReader;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a context switch costs by the programs of one sidecar that serves 1, 10 and 50 JVMs, by the
 * kernel's own statistics (kernel.bpf_stats_enabled): between two threads of a JVM that is not
 * served, and between two of one that is, each on one processor. An empty program is attached beside
 * it. Root. Prints; asserts nothing.
 *
 * <p>{@code SidecarCost AGENT_JAR ATTACH_EMPTY CLASSES NUMBER…}
 */
public class SidecarCost {
  private static final int ROUNDS = 100_000;

  private final List<Process> started = new ArrayList<>();
  private final Path socket;
  private final String jar;
  private final String classes;

  private SidecarCost(String jar, String classes) throws Exception {
    this.jar = jar;
    this.classes = classes;
    Path directory = Files.createTempDirectory("underspan-bench");
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
    this.socket = directory.resolve("sidecar.sock");
  }

  public static void main(String[] args) throws Exception {
    String before = BpfPrograms.statistics("1");
    SidecarCost bench = new SidecarCost(args[0], args[2]);
    try {
      bench.run(args);
    } finally {
      BpfPrograms.statistics(before);
      for (Process process : bench.started) {
        process.destroy();
        process.waitFor();
      }
      Files.deleteIfExists(bench.socket);
      Files.deleteIfExists(bench.socket.getParent());
    }
  }

  private void run(String[] args) throws Exception {
    Process empty = new ProcessBuilder(args[1]).start();
    started.add(empty);
    empty.inputReader().readLine();
    Process sidecar =
        new ProcessBuilder("java", "-Xmx64m", "-jar", jar, "sidecar", "--socket", socket.toString())
            .start();
    started.add(sidecar);
    await(sidecar.errorReader(), "listens on");
    Load other = new Load(false);
    List<Load> served = new ArrayList<>();
    System.out.println("JVMs   ns a switch, not served   served   empty program");
    for (int i = 3; i < args.length; i++) {
      int wanted = Integer.parseInt(args[i]);
      while (served.size() < wanted) {
        served.add(new Load(true));
      }
      double[] notServed = cost(other);
      double[] ofServed = cost(served.get(0));
      System.out.printf(
          "%4d %27.0f %8.0f %15.0f%n", wanted, notServed[0], ofServed[0], notServed[1]);
    }
  }

  /** Of on_switch, and of the empty program. */
  private static double[] cost(Load load) throws Exception {
    load.switches(ROUNDS);
    Map<Integer, BpfPrograms.Sample> before = BpfPrograms.all();
    load.switches(ROUNDS);
    Map<String, double[]> sums = new HashMap<>();
    BpfPrograms.all()
        .forEach(
            (id, now) -> {
              BpfPrograms.Sample then = before.get(id);
              if (then != null && now.runs() > then.runs()) {
                double[] sum = sums.computeIfAbsent(now.name(), n -> new double[2]);
                sum[0] += now.runs() - then.runs();
                sum[1] += now.ns() - then.ns();
              }
            });
    double[] ours = sums.getOrDefault("on_switch", new double[] {1, Double.NaN});
    double[] empty = sums.getOrDefault("empty", new double[] {1, Double.NaN});
    return new double[] {ours[1] / ours[0], empty[1] / empty[0]};
  }

  private static void await(BufferedReader lines, String text) throws Exception {
    for (String line = lines.readLine(); !line.contains(text); ) {
      line = lines.readLine();
      if (line == null) {
        throw new IllegalStateException("it ended before it said: " + text);
      }
    }
  }

  /** A JVM of an ordinary user on one processor that switches between two threads when told. */
  private final class Load {
    private final PrintStream in;
    private final BufferedReader out;

    Load(boolean served) throws Exception {
      List<String> command = new ArrayList<>(List.of("taskset", "-c", "1"));
      if (served) {
        command.addAll(
            List.of("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"));
      }
      command.addAll(List.of("java", "-Xmx32m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
      if (served) {
        command.add("-javaagent:" + jar + "=sidecar.socket=" + socket);
      }
      command.addAll(List.of("-cp", classes, "SwitchLoad"));
      ProcessBuilder builder = new ProcessBuilder(command);
      builder.environment().put("OTEL_TRACES_EXPORTER", "none");
      Process process = builder.start();
      started.add(process);
      out = process.inputReader();
      in = new PrintStream(process.getOutputStream(), true);
      out.readLine();
      if (served) {
        await(process.errorReader(), "level sidecar");
      }
    }

    void switches(int rounds) throws Exception {
      in.println(rounds);
      out.readLine();
    }
  }
}
