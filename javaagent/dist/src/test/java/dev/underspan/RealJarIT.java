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
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The real jar on real JVMs: 17 or whatever runs the build, and 25 where it is installed. Root. */
class RealJarIT {
  @TempDir Path directory;

  private AppUnderAgent app(
      Path home, List<String> wrapper, String endpoint, String... agentArguments)
      throws IOException {
    return new AppUnderAgent.Builder(home, directory, endpoint)
        .wrapper(wrapper)
        .agent(agentArguments)
        .start();
  }

  private static List<Span> await(TraceStore store, int count) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(3);
    while (store.size() < count && System.nanoTime() < deadline) {
      Thread.sleep(50);
    }
    return store.spans();
  }

  private void assertTraced(AppUnderAgent app, TraceStore store) throws Exception {
    int rounds = 31; // prime
    for (int i = 0; i < rounds; i++) {
      assertThat(app.get("/outer")).matches("00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-9]");
    }
    List<Span> spans = await(store, 3 * rounds);
    assertThat(spans).hasSize(3 * rounds);
    for (Trace trace : store.traces()) {
      assertThat(trace.spans()).hasSize(3);
      assertThat(trace.roots()).hasSize(1);
      Trace.Node outer = trace.roots().get(0);
      assertThat(outer.span().kind()).isEqualTo(Span.Kind.SERVER);
      assertThat(outer.children()).hasSize(1);
      Trace.Node call = outer.children().get(0);
      assertThat(call.span().kind()).isEqualTo(Span.Kind.CLIENT);
      assertThat(call.children()).hasSize(1);
      assertThat(call.children().get(0).span().kind()).isEqualTo(Span.Kind.SERVER);
    }
    assertThat(spans)
        .allSatisfy(
            span -> {
              assertThat(span.attributes().get("underspan.level")).isEqualTo("kernel");
              Budget.assertAddsUp(span);
            });
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void tracesToTheKernelAndLeavesNothingBehind(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, List.of(), receiver.endpoint())) {
      assertThat(app.level())
          .contains("level kernel: ledger and sockets")
          .contains("mode standalone");
      assertTraced(app, store);
      assertThat(app.greeting).as("classes of ours that the application sees").isEmpty();
      assertThat(app.end()).isZero();
      // One line of ours, and no warning of the JVM's.
      assertThat(Files.readAllLines(app.stderr)).hasSize(1);
      assertThat(programsOf(app.process.pid())).isEmpty();
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void worksInsideItsOwnPidNamespace(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            app(
                home,
                List.of("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"),
                receiver.endpoint())) {
      assertThat(app.level()).contains("level kernel");
      assertTraced(app, store);
      assertThat(app.end()).isZero();
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void withoutRightsItStillTraces(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            app(
                home,
                List.of(
                    "setpriv",
                    "--reuid=65534",
                    "--regid=65534",
                    "--clear-groups",
                    "--inh-caps=-all",
                    "--bounding-set=-all"),
                receiver.endpoint())) {
      assertThat(app.level()).contains("level process", "EPERM", "CAP_BPF and CAP_PERFMON");
      app.get("/outer");
      List<Span> spans = await(store, 2);
      assertThat(spans).hasSize(2); // the servers; client spans come from the wire
      assertThat(spans)
          .allSatisfy(
              span -> assertThat(span.attributes().get("underspan.level")).isEqualTo("process"));
      assertThat(store.traces()).hasSize(1);
      assertThat(app.end()).isZero();
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void aDeadBackendHarmsNobody(Path home) throws Exception {
    try (AppUnderAgent app = app(home, List.of(), "http://127.0.0.1:9")) {
      app.level();
      for (int i = 0; i < 20; i++) {
        app.get("/outer");
      }
      assertThat(app.end()).isZero();
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void switchedOffItIsInert(Path home) throws Exception {
    try (AppUnderAgent app = app(home, List.of(), "http://127.0.0.1:9", "enabled=false")) {
      assertThat(app.get("/outer")).isEqualTo("null");
      assertThat(app.end()).isZero();
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void killedItLeavesNoProgramInTheKernel(Path home) throws Exception {
    try (AppUnderAgent app = app(home, List.of(), "http://127.0.0.1:9")) {
      assertThat(app.level()).contains("level kernel");
      app.get("/outer");
      long pid = app.process.pid();
      assertThat(programsOf(pid)).contains("on_switch", "on_sent");
      int before = programs("on_switch");
      app.process.destroyForcibly().waitFor();
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
      while (programs("on_switch") >= before && System.nanoTime() < deadline) {
        Thread.sleep(50);
      }
      assertThat(programs("on_switch")).isEqualTo(before - 1);
    }
  }

  /** Our programs that a process holds, by what bpftool says. */
  private static String programsOf(long pid) throws Exception {
    StringBuilder found = new StringBuilder();
    for (String line : bpftool()) {
      if (line.contains("(" + pid + ")")) {
        found.append(line);
      }
    }
    Path descriptors = Path.of("/proc/" + pid + "/fdinfo");
    if (found.length() == 0 && Files.isDirectory(descriptors)) {
      // bpftool without process names: the descriptors give program ids.
      List<String> ids = new ArrayList<>();
      try (Stream<Path> files = Files.list(descriptors)) {
        for (Path file : files.toList()) {
          for (String line : Files.readAllLines(file)) {
            if (line.startsWith("prog_id:")) {
              ids.add(line.substring("prog_id:".length()).strip());
            }
          }
        }
      }
      for (String line : bpftool()) {
        for (String id : ids) {
          if (line.startsWith(id + ":")) {
            found.append(line);
          }
        }
      }
    }
    return found.toString();
  }

  private static int programs(String name) throws Exception {
    return (int) bpftool().stream().filter(line -> line.contains(" name " + name + " ")).count();
  }

  private static List<String> bpftool() throws Exception {
    Process process =
        new ProcessBuilder("sh", "-c", "PATH=$PATH:/usr/sbin:/sbin exec bpftool prog show")
            .redirectErrorStream(true)
            .start();
    List<String> lines =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
            .lines()
            .toList();
    assertThat(process.waitFor()).isZero();
    return lines;
  }
}
