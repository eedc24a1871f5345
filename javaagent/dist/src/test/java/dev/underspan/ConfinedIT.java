package dev.underspan;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The real jar in each confinement: the application runs, the agent says in one line at which level
 * and why, and the doctor says the same. Root.
 */
class ConfinedIT {
  private static final Path JAR = Path.of(System.getProperty("underspan.jar"));

  @TempDir static Path shared;

  @TempDir Path directory;

  static Stream<Arguments> confinements() throws Exception {
    // Each test has its own: what a factory of arguments makes is made anew for each of them.
    List<Confinement> all = Confinement.all(Files.createTempDirectory(shared, "confinement"));
    return Jdks.homes()
        .flatMap(home -> all.stream().map(confinement -> Arguments.of(home, confinement)));
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("confinements")
  void runsAndSaysWhy(Path home, Confinement confinement) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(home, directory, receiver.endpoint())
                .wrapper(confinement.wrapper())
                .start()) {
      String line = app.level();
      assertThat(line).contains("level " + confinement.level());
      confinement.told().forEach(text -> assertThat(line).contains(text));
      assertThat(app.get("/outer")).isNotEmpty();
      int servers = 2; // client spans come from the wire
      int expected = confinement.level().equals("kernel") ? servers + 1 : servers;
      List<Span> spans = await(store, expected);
      assertThat(spans).hasSize(expected);
      assertThat(spans)
          .allSatisfy(
              span ->
                  assertThat(span.attributes().get("underspan.level"))
                      .isEqualTo(confinement.level()));
      assertThat(app.end()).isZero();
      // One message: the level, with the reason and the next action.
      assertThat(ours(app.errors())).as(app.errors()).hasSize(1);
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("confinements")
  void theDoctorSaysTheSame(Path home, Confinement confinement) throws Exception {
    List<String> command = new ArrayList<>(confinement.wrapper());
    command.addAll(List.of(home.resolve("bin/java").toString(), "-jar", JAR.toString(), "doctor"));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String page = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int code = process.waitFor();
    assertThat(page).containsPattern("\n  level +" + confinement.level() + "\n");
    assertThat(code).as(page).isEqualTo(confinement.level().equals("process") ? 1 : 0);
    String words = page.replaceAll("\\s+", " ");
    confinement.told().forEach(text -> assertThat(words).contains(text));
    assertThat(words.contains("to get more")).isEqualTo(confinement.level().equals("process"));
  }

  /** Stops of the JVM are seen with the two capabilities alone, by a link instead of an event. */
  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void twoCapabilitiesAreEnoughForStops(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(home, directory, receiver.endpoint())
                .wrapper(Confinement.twoCapabilities().wrapper())
                .jvm("-XX:+UseSerialGC")
                .command("dev.underspan.testapp.BudgetApp", "platform")
                .start()) {
      assertThat(app.level()).contains("level kernel");
      app.get("/safepoint/first");
      app.get("/safepoint/second");
      List<Span> spans = await(store, 2);
      assertThat(spans).isNotEmpty();
      assertThat(spans)
          .anySatisfy(span -> assertThat(span.number("underspan.time.safepoint")).isGreaterThan(0));
    }
  }

  private static List<String> ours(String errors) {
    return errors.lines().filter(line -> line.contains("[underspan]")).toList();
  }

  private static List<Span> await(TraceStore store, int count) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (store.size() < count && System.nanoTime() < deadline) {
      Thread.sleep(50);
    }
    return store.spans();
  }
}
