package dev.underspan.demo;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.underspan.sample.load.LoadDriver;
import dev.underspan.sample.load.LoadDriver.Situation;
import dev.underspan.sample.load.Service;
import dev.underspan.sample.load.Shop;
import dev.underspan.sample.load.ShopOptions;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Runs the sample shop under the agent, brings it into each situation and prints a typical trace of
 * each, with a sentence that says where its time went. Ends by itself and leaves no process.
 */
public final class Demo {
  private static final String HELP =
      """
      Runs the sample shop under the agent, sends it load, and prints traces as pictures.

      Options:
        --agent PATH    the agent, underspan.jar (required)
        --root REPO     the repository's root, where the shop's jars are (required)
        --java PATH     the java command or the JDK that the shop runs on (the one that runs this)
        --json          JSON lines instead of pictures: one a span, one a situation, one summary
        --color WHEN    auto, always or never (auto)
        --keep          keep the processes' logs
        --help          this text

      Exit status: 0 if every situation gave a trace through all services, else 1; 2 for wrong
      options.
      """;

  private static final Duration QUIET = Duration.ofMillis(1_500);
  private static final Duration SETTLE_LIMIT = Duration.ofSeconds(15);

  private final ObjectMapper mapper = new ObjectMapper();
  private final PrintStream out =
      new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
  private final PrintStream err =
      new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8);
  private @Nullable Path agent;
  private @Nullable Path root;
  private @Nullable Path java;
  private String when = "auto";
  private boolean json;
  private boolean keep;

  private Demo() {}

  /** Runs as the arguments say; see {@code --help}. */
  public static void main(String[] args) {
    if (List.of(args).contains("--help")) {
      System.out.print(HELP);
      return;
    }
    Demo demo = new Demo();
    try {
      demo.parse(args);
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage() + "; see --help");
      System.exit(2);
    }
    int status = 1;
    try {
      status = demo.run();
    } catch (IOException | RuntimeException e) {
      demo.err.println("The demo failed: " + e.getMessage());
    } catch (InterruptedException e) {
      demo.err.println("The demo was interrupted.");
    }
    System.exit(status);
  }

  private void parse(String[] args) {
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "--json" -> json = true;
        case "--keep" -> keep = true;
        case "--agent", "--root", "--java", "--color" -> {
          if (i + 1 == args.length) {
            throw new IllegalArgumentException(args[i] + " needs a value");
          }
          value(args[i], args[++i]);
        }
        default -> throw new IllegalArgumentException("unknown option " + args[i]);
      }
    }
    if (agent == null || !Files.isReadable(agent)) {
      throw new IllegalArgumentException("--agent must name the agent's jar, not " + agent);
    }
    if (root == null || !Files.isDirectory(root)) {
      throw new IllegalArgumentException("--root must name the repository, not " + root);
    }
  }

  private void value(String option, String value) {
    switch (option) {
      case "--agent" -> agent = Path.of(value).toAbsolutePath();
      case "--root" -> root = Path.of(value).toAbsolutePath();
      case "--java" -> java = Path.of(value).toAbsolutePath();
      default -> {
        if (!Set.of("auto", "always", "never").contains(value)) {
          throw new IllegalArgumentException("--color takes auto, always or never");
        }
        when = value;
      }
    }
  }

  private int run() throws IOException, InterruptedException {
    Path logs = Files.createTempDirectory("underspan-demo-");
    TraceStore store = new TraceStore();
    boolean complete = false;
    try (OtlpReceiver receiver = new OtlpReceiver(0, store)) {
      err.println("Starting the shop under " + agent);
      try (Shop shop = Shop.start(options(receiver, logs))) {
        err.println("The shop is ready after " + shop.startTime().toMillis() + " ms");
        complete = situations(new LoadDriver(shop.url(Service.STOREFRONT)), store);
      }
      if (receiver.rejected() > 0) {
        err.println(receiver.rejected() + " exports could not be read");
      }
      if (store.dropped() > 0) {
        err.println(store.dropped() + " spans did not fit into memory");
      }
    } finally {
      if (complete && !keep) {
        delete(logs);
      } else {
        err.println("Logs: " + logs);
      }
    }
    return complete ? 0 : 1;
  }

  private ShopOptions options(OtlpReceiver receiver, Path logs) throws IOException {
    ShopOptions.Builder options =
        ShopOptions.builder()
            .logDir(logs)
            .jvmArgs("-javaagent:" + agent)
            .environment("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
            .environment("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            .environment("OTEL_METRICS_EXPORTER", "none")
            .environment("OTEL_BSP_SCHEDULE_DELAY", "500");
    for (Service service : Service.values()) {
      options.environment(service, "OTEL_SERVICE_NAME", service.id());
    }
    if (root != null) {
      options.repoRoot(root);
    }
    if (java != null) {
      options.javaHome(javaHome(java));
    }
    return options.build();
  }

  /** Takes the command, links followed, or the JDK's directory. */
  private static Path javaHome(Path java) throws IOException {
    if (Files.isDirectory(java)) {
      return java;
    }
    Path bin = java.toRealPath().getParent();
    Path home = bin == null ? null : bin.getParent();
    if (home == null) {
      throw new IOException(java + " is not in a JDK");
    }
    return home;
  }

  private boolean situations(LoadDriver driver, TraceStore store)
      throws IOException, InterruptedException {
    Set<String> services = new TreeSet<>();
    for (Service service : Service.values()) {
      services.add(service.id());
    }
    Waterfall waterfall = new Waterfall(Waterfall.terminalWidth(), coloured());
    Totals totals = Totals.NONE;
    boolean complete = true;
    store.settle(QUIET, SETTLE_LIMIT);
    for (Situation situation : Situation.values()) {
      // Late spans of the last situation and of the readiness checks must not count here.
      store.clear();
      LoadDriver.Result result =
          driver.run(LoadDriver.Plan.of(situation), progress -> show(progress));
      err.println();
      result.messages().forEach(message -> err.println("  " + message));
      store.settle(QUIET, SETTLE_LIMIT);
      List<Trace> traces = store.traces();
      totals = totals.plus(result.sent(), result.errors(), traces);
      Optional<Trace> whole = Selection.typical(traces, services, quantile(situation));
      if (whole.isEmpty()) {
        complete = false;
        err.println(
            situation.parameter()
                + ": none of "
                + traces.size()
                + " traces goes through all of "
                + String.join(", ", services));
      }
      Optional<Trace> chosen = whole.or(() -> Selection.fullest(traces));
      if (json) {
        json(situation, result, traces, chosen, whole.isPresent());
      } else if (chosen.isPresent()) {
        picture(situation, waterfall, chosen.get());
      }
    }
    if (json) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("type", "summary");
      line.put("totals", totals);
      print(line);
    } else {
      out.println();
      out.print(totals.summary());
    }
    return complete;
  }

  /** In a queue the median request is not the one that hurts. */
  private static double quantile(Situation situation) {
    return switch (situation) {
      case NORMAL, SLOW_SQL -> 0.5;
      case LOCK, SATURATED -> 0.9;
    };
  }

  private static String heading(Situation situation) {
    return switch (situation) {
      case NORMAL -> "Nothing special";
      case LOCK -> "Many requests want one lock";
      case SLOW_SQL -> "The database is slow";
      case SATURATED -> "More requests than threads";
    };
  }

  private void show(LoadDriver.Progress progress) {
    boolean end = progress.done() == progress.total();
    if (end || (terminal(2) && progress.done() % Math.max(1, progress.total() / 20) == 0)) {
      err.print(
          String.format(
              Locale.ROOT,
              "%s%-10s %d of %d requests, %d errors ",
              terminal(2) ? "\r" : "",
              progress.situation().parameter(),
              progress.done(),
              progress.total(),
              progress.errors()));
    }
  }

  private void picture(Situation situation, Waterfall waterfall, Trace trace) {
    String bold = coloured() ? "\u001b[1m" : "";
    String plain = coloured() ? "\u001b[0m" : "";
    out.println();
    out.println(bold + "── " + heading(situation) + " (" + situation.parameter() + ")" + plain);
    out.println();
    out.print(waterfall.render(trace));
    out.println();
    out.println(bold + "→ " + Verdict.of(trace).sentence() + plain);
    out.println();
  }

  private void json(
      Situation situation,
      LoadDriver.Result result,
      List<Trace> traces,
      Optional<Trace> chosen,
      boolean whole)
      throws JsonProcessingException {
    List<Span> spans = new ArrayList<>();
    traces.forEach(trace -> spans.addAll(trace.spans()));
    for (Span span : spans) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("type", "span");
      line.put("situation", situation.parameter());
      line.putAll(mapper.convertValue(span, new MapType()));
      print(line);
    }
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("type", "situation");
    line.put("situation", situation.parameter());
    line.put("requests", result.sent());
    line.put("errors", result.errors());
    line.put("spans", spans.size());
    line.put("traces", traces.size());
    line.put("allServices", whole);
    chosen.ifPresent(
        trace -> {
          line.put("trace", trace.id());
          line.put("durationNanos", trace.durationNanos());
          line.put("verdict", Verdict.of(trace));
        });
    print(line);
  }

  private static final class MapType
      extends com.fasterxml.jackson.core.type.TypeReference<LinkedHashMap<String, Object>> {}

  private void print(Map<String, Object> line) throws JsonProcessingException {
    out.println(mapper.writeValueAsString(line));
  }

  private boolean coloured() {
    return switch (when) {
      case "always" -> true;
      case "never" -> false;
      default ->
          System.getenv("NO_COLOR") == null && !"dumb".equals(System.getenv("TERM")) && terminal(1);
    };
  }

  /** System.console() says yes for files too from Java 22 on, and no if only stdin is a pipe. */
  private static boolean terminal(int descriptor) {
    try {
      String target = Files.readSymbolicLink(Path.of("/proc/self/fd/" + descriptor)).toString();
      return target.startsWith("/dev/pts/")
          || target.startsWith("/dev/tty")
          || target.equals("/dev/console");
    } catch (IOException | UnsupportedOperationException e) {
      return false;
    }
  }

  private static void delete(Path directory) throws IOException {
    List<Path> paths;
    try (Stream<Path> all = Files.walk(directory)) {
      paths = all.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path path : paths) {
      Files.deleteIfExists(path);
    }
  }
}
