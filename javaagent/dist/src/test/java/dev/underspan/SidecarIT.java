package dev.underspan;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.Trace;
import dev.underspan.demo.TraceStore;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The real jar as a sidecar, and as the agent of an ordinary user without any capability. Root. */
class SidecarIT {
  private static final Path JAR = Path.of(System.getProperty("underspan.jar"));

  private static final List<String> NOBODY =
      List.of(
          "setpriv",
          "--reuid=65534",
          "--regid=65534",
          "--clear-groups",
          "--inh-caps=-all",
          "--bounding-set=-all");

  /** As a container would have it: not root, and nothing but these two. */
  private static final List<String> LEAST =
      List.of(
          "setpriv",
          "--reuid=65533",
          "--regid=65533",
          "--clear-groups",
          "--inh-caps=-all,+bpf,+perfmon",
          "--ambient-caps=+bpf,+perfmon",
          "--bounding-set=-all,+bpf,+perfmon");

  @TempDir Path directory;

  private Path socket;

  @BeforeEach
  void directoryForEverybody() throws IOException {
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxrwxrwx"));
    socket = directory.resolve("sidecar.sock");
  }

  private List<String> sidecar(Path home) {
    List<String> command = new ArrayList<>(LEAST);
    command.addAll(
        List.of(
            home.resolve("bin/java").toString(),
            "-Xmx64m",
            "-jar",
            JAR.toString(),
            "sidecar",
            "--socket",
            socket.toString()));
    return command;
  }

  private final class Sidecar implements AutoCloseable {
    final Process process;
    final Path log = directory.resolve("sidecar-" + System.nanoTime());

    Sidecar(Path home) throws Exception {
      process = new ProcessBuilder(sidecar(home)).redirectError(log.toFile()).start();
      await("listens on", this::says);
    }

    boolean says(String text) {
      assertThat(process.isAlive()).as("%s", log).isTrue();
      try {
        return Files.readString(log).contains(text);
      } catch (IOException e) {
        return false;
      }
    }

    void kill() throws Exception {
      process.destroyForcibly().waitFor();
    }

    @Override
    public void close() {
      process.destroyForcibly();
    }
  }

  private static <T> void await(T what, Predicate<T> holds) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (!holds.test(what)) {
      assertThat(System.nanoTime()).as("%s in time", what).isLessThan(deadline);
      Thread.sleep(20);
    }
  }

  private AppUnderAgent app(Path home, List<String> wrapper, String endpoint) throws Exception {
    return new AppUnderAgent.Builder(home, directory, endpoint)
        .wrapper(wrapper)
        .environment("UNDERSPAN_SIDECAR_SOCKET", socket.toString())
        .start();
  }

  private static boolean says(AppUnderAgent app, String text) {
    try {
      return app.errors().contains(text);
    } catch (IOException e) {
      return false;
    }
  }

  private static List<Span> of(TraceStore store, Set<String> traces) {
    return store.spans().stream().filter(span -> traces.contains(span.traceId())).toList();
  }

  private static void assertTraced(AppUnderAgent app, TraceStore store) throws Exception {
    int rounds = 31; // prime
    Set<String> asked = new TreeSet<>();
    for (int i = 0; i < rounds; i++) {
      asked.add(app.get("/outer").split("-", -1)[1]); // the trace header that arrived at /inner
    }
    assertThat(asked).hasSize(rounds);
    await(store, s -> of(s, asked).size() >= 3 * rounds);
    assertThat(store.traces().stream().filter(trace -> asked.contains(trace.id())))
        .hasSize(rounds)
        .allSatisfy(
            trace -> {
              assertThat(trace.roots()).hasSize(1);
              Trace.Node outer = trace.roots().get(0);
              assertThat(outer.span().kind()).isEqualTo(Span.Kind.SERVER);
              Trace.Node call = outer.children().get(0);
              assertThat(call.span().kind()).isEqualTo(Span.Kind.CLIENT);
              assertThat(call.children()).hasSize(1);
            });
    assertThat(of(store, asked))
        .hasSize(3 * rounds)
        .allSatisfy(
            span -> {
              assertThat(span.text("underspan.level")).isEqualTo("sidecar");
              Budget.assertAddsUp(span);
            });
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void aServiceWithoutRightsHasAllOfIt(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (Sidecar sidecar = new Sidecar(home);
        OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, NOBODY, receiver.endpoint())) {
      assertThat(app.level()).contains("level sidecar: ledger and sockets");
      assertThat(app.errors()).doesNotContain("not told apart");
      assertTraced(app, store);
      assertThat(app.end()).isZero();
      await("is served no more", sidecar::says);
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void aServiceInAPidNamespaceOfItsOwnToo(Path home) throws Exception {
    List<String> wrapper =
        new ArrayList<>(List.of("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"));
    wrapper.addAll(NOBODY);
    TraceStore store = new TraceStore();
    try (Sidecar sidecar = new Sidecar(home);
        OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, wrapper, receiver.endpoint())) {
      assertThat(app.level()).contains("level sidecar: ledger and sockets");
      assertTraced(app, store);
      assertThat(app.end()).isZero();
      assertThat(sidecar.says("user 65534")).isTrue();
    }
  }

  /** As in a pod with a sidecar of its own: both in one PID namespace that is not the machine's. */
  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void aPodMayHaveASidecarOfItsOwn(Path home) throws Exception {
    Path log = directory.resolve("sidecar-of-the-pod");
    String start =
        String.join(" ", sidecar(home))
            + " 2>"
            + log
            + " & while [ ! -S "
            + socket
            + " ]; do sleep 0.1; done; exec \"$@\"";
    List<String> wrapper =
        new ArrayList<>(
            List.of(
                "unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", start));
    wrapper.add("sh");
    wrapper.addAll(NOBODY);
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, wrapper, receiver.endpoint())) {
      assertThat(app.level()).contains("level sidecar: ledger and sockets");
      assertTraced(app, store);
      assertThat(app.end()).isZero();
      assertThat(Files.readString(log)).contains("process 1 (user 65534) is served");
    }
  }

  /** A sidecar that comes after the service is found, and the exporter's own calls stay unseen. */
  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void aSidecarMayComeLater(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, NOBODY, receiver.endpoint())) {
      assertThat(app.level()).contains("level process", "it is waited for");
      app.get("/outer");
      await(store, s -> s.size() == 2);
      assertThat(store.spans())
          .allSatisfy(span -> assertThat(span.text("underspan.level")).isEqualTo("process"));
      try (Sidecar sidecar = new Sidecar(home)) {
        await("a sidecar has come", text -> says(app, text));
        app.get("/outer");
        await(store, s -> s.size() >= 5);
        assertThat(store.spans())
            .hasSize(5)
            .filteredOn(span -> span.text("underspan.level").equals("sidecar"))
            .hasSize(3);
        assertThat(app.end()).isZero();
        await("is served no more", sidecar::says);
      }
    }
  }

  /**
   * What a service of another user may look at of one that is served: neither its descriptors nor
   * the kernel's list of maps. Root may, so there is something to be found.
   */
  @Test
  void nobodyElseReachesItsMaps() throws Exception {
    Path home = Jdks.homes().toList().get(0);
    List<String> other = NOBODY.stream().map(word -> word.replace("65534", "65532")).toList();
    try (Sidecar sidecar = new Sidecar(home);
        AppUnderAgent app = app(home, NOBODY, "http://127.0.0.1:1")) {
      assertThat(app.level()).contains("level sidecar");
      String process = "/proc/" + app.process.pid();
      List<List<String>> ways =
          List.of(
              List.of("bpftool", "map", "show"),
              List.of("bpftool", "map", "dump", "name", "ledger"),
              List.of("ls", "-l", process + "/fd"),
              List.of("head", "-c1", process + "/maps"));
      for (List<String> way : ways) {
        assertThat(exitCode(List.of(), way)).as("root: %s", way).isZero();
        assertThat(exitCode(other, way)).as("%s", way).isNotZero();
      }
      assertThat(sidecar.says("is served")).isTrue();
      assertThat(app.end()).isZero();
    }
  }

  private static int exitCode(List<String> wrapper, List<String> command) throws Exception {
    List<String> all = new ArrayList<>(wrapper);
    all.addAll(command);
    return new ProcessBuilder(all)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start()
        .waitFor();
  }

  /** Killed again and again under load: no request fails, and what it had is gone with it. */
  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void killingItHarmsNobody(Path home) throws Exception {
    int kills = Integer.getInteger("underspan.kills", 12);
    TraceStore store = new TraceStore();
    AtomicBoolean over = new AtomicBoolean();
    AtomicInteger answered = new AtomicInteger();
    List<Throwable> failures = new CopyOnWriteArrayList<>();
    Set<String> before = programs();
    Sidecar sidecar = new Sidecar(home);
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, NOBODY, receiver.endpoint())) {
      assertThat(app.level()).contains("level sidecar");
      List<Thread> clients = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        Thread client =
            new Thread(
                () -> {
                  while (!over.get() && failures.isEmpty()) {
                    try {
                      app.get("/outer");
                      answered.incrementAndGet();
                      Thread.sleep(5);
                    } catch (Throwable e) {
                      failures.add(e);
                    }
                  }
                });
        client.start();
        clients.add(client);
      }
      for (int i = 0; i < kills; i++) {
        int back = count(app, "the sidecar is back");
        int soFar = answered.get();
        sidecar.kill();
        sidecar = new Sidecar(home);
        await(app, a -> count(a, "the sidecar is back") > back);
        await(answered, n -> n.get() > soFar);
      }
      over.set(true);
      for (Thread client : clients) {
        client.join();
      }
      assertThat(failures).isEmpty();
      assertTraced(app, store);
      assertThat(app.end()).isZero();
      await("is served no more", sidecar::says);
    } finally {
      over.set(true);
      sidecar.kill();
    }
    // The kernel frees them a little later.
    await(programs(), b -> before.containsAll(programs()));
  }

  private static int count(AppUnderAgent app, String text) {
    try {
      return app.errors().split(text, -1).length - 1;
    } catch (IOException e) {
      return 0;
    }
  }

  /** Numbers of the scheduler's programs that are loaded now, whosoever. */
  private static Set<String> programs() {
    try {
      Process bpftool =
          new ProcessBuilder("bpftool", "prog", "show").redirectErrorStream(true).start();
      String out = new String(bpftool.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      bpftool.waitFor();
      Set<String> numbers = new TreeSet<>();
      out.lines()
          .filter(line -> line.contains("name on_switch"))
          .forEach(line -> numbers.add(line.substring(0, line.indexOf(':'))));
      return numbers;
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
