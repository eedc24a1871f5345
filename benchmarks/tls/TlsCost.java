import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What uprobes on OpenSSL cost a thread that sends small records and reads the answers: CPU time of
 * a round (an SSL_write, an SSL_read and the four system calls or so in them) in three JVMs that
 * take turns, without the agent, with it but no probes on libraries, and with them; then, by the
 * kernel's own statistics, what of that are the programs themselves. The rest is the trap, which no
 * program can avoid. Root. Prints; asserts nothing.
 *
 * <p>{@code TlsCost AGENT_JAR LOOP_LIBRARY CLASSES PORT...}: a port of {@code openssl s_server -rev}
 * for each JVM, since that serves one connection at a time.
 */
public class TlsCost {
  private static final int BYTES = 64;
  private static final int ROUNDS = 20_000;
  private static final int REPEATS = 15;

  private static final List<Process> started = new ArrayList<>();

  public static void main(String[] args) throws Exception {
    try {
      Map<String, Load> loads = new LinkedHashMap<>();
      String agent = "-javaagent:" + args[0];
      loads.put("no agent", new Load(args, 0));
      loads.put("agent, no probes", new Load(args, 1, agent + "=instrumentation.tls-native.enabled=false"));
      loads.put("agent, probes", new Load(args, 2, agent));
      Map<String, List<Long>> times = new LinkedHashMap<>();
      for (int i = 0; i < REPEATS; i++) {
        for (Map.Entry<String, Load> load : loads.entrySet()) {
          times.computeIfAbsent(load.getKey(), k -> new ArrayList<>()).add(load.getValue().run());
        }
      }
      System.out.println("a record of " + BYTES + " bytes by SSL_write, and its answer by SSL_read:");
      double before = 0;
      for (Map.Entry<String, List<Long>> time : times.entrySet()) {
        List<Long> sorted = new ArrayList<>(time.getValue());
        sorted.sort(null);
        double median = sorted.get(REPEATS / 2) / (double) ROUNDS;
        System.out.printf(
            "  %-18s %8.0f ns CPU a round, quartiles %.0f-%.0f%s%n",
            time.getKey(),
            median,
            sorted.get(REPEATS / 4) / (double) ROUNDS,
            sorted.get(REPEATS - 1 - REPEATS / 4) / (double) ROUNDS,
            before == 0 ? "" : String.format(", %+.0f", median - before));
        before = median;
      }
      programs(loads.get("agent, probes"));
    } finally {
      for (Process process : started) {
        process.destroy();
        process.waitFor();
      }
    }
  }

  private static void programs(Load load) throws Exception {
    String before = BpfPrograms.statistics("1");
    try {
      Map<Integer, BpfPrograms.Sample> begin = BpfPrograms.all();
      load.run();
      Map<Integer, BpfPrograms.Sample> end = BpfPrograms.all();
      for (int id : load.programs()) {
        BpfPrograms.Sample a = begin.get(id);
        BpfPrograms.Sample b = end.get(id);
        if (a != null && b != null && b.runs() > a.runs()) {
          double runs = b.runs() - a.runs();
          System.out.printf(
              "  %-18s %8.2f runs a round, %6.0f ns a run%n",
              b.name(), runs / ROUNDS, (b.ns() - a.ns()) / runs);
        }
      }
    } finally {
      BpfPrograms.statistics(before);
    }
  }

  /** A JVM that sends when told. */
  private static final class Load {
    private final Process process;
    private final PrintStream in;
    private final BufferedReader out;

    Load(String[] args, int number, String... jvm) throws Exception {
      List<String> command = new ArrayList<>(List.of("java", "-Xmx64m"));
      command.addAll(List.of(jvm));
      command.addAll(
          List.of("-cp", args[2], "TlsLoad", args[1], args[3 + number], Integer.toString(BYTES)));
      ProcessBuilder builder = new ProcessBuilder(command);
      builder.environment().put("OTEL_TRACES_EXPORTER", "none");
      Path errors = Path.of(args[2], "errors-" + number);
      process = builder.redirectError(errors.toFile()).start();
      started.add(process);
      in = new PrintStream(process.getOutputStream(), true);
      out = process.inputReader();
      if (!"ready".equals(out.readLine())) {
        throw new IllegalStateException(Files.readString(errors));
      }
      if (jvm.length > 0) {
        boolean probes = !jvm[0].contains("tls-native");
        await(errors, "level kernel");
        if (probes) {
          await(errors, "TLS in native code: /");
        }
      }
      run();
    }

    private void await(Path file, String text) throws Exception {
      for (int i = 0; !Files.readString(file).contains(text); i++) {
        if (i > 3000 || !process.isAlive()) {
          throw new IllegalStateException("not told: " + text + "; " + Files.readString(file));
        }
        Thread.sleep(10);
      }
    }

    /** CPU time of a run, ns. */
    long run() throws IOException {
      in.println(ROUNDS);
      long ns = Long.parseLong(out.readLine());
      if (ns < 0) {
        throw new IllegalStateException("the connection was cut off");
      }
      return ns;
    }

    /** Those that the process has loaded. */
    Set<Integer> programs() throws IOException {
      Set<Integer> ids = new TreeSet<>();
      try (DirectoryStream<Path> files =
          Files.newDirectoryStream(Path.of("/proc/" + process.pid() + "/fdinfo"))) {
        for (Path file : files) {
          for (String line : Files.readAllLines(file)) {
            if (line.startsWith("prog_id:")) {
              ids.add(Integer.parseInt(line.substring("prog_id:".length()).trim()));
            }
          }
        }
      }
      return ids;
    }
  }
}
