package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** {@code java -jar underspan.jar doctor}: what it says, against the kernel and the docs. Root. */
class DoctorIT {
  private static final Path JAR = Path.of(System.getProperty("underspan.jar"));
  private static final Path ROOT = Path.of(System.getProperty("underspan.repo.root"));
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path THIS_JVM = Path.of(System.getProperty("java.home"));

  @TempDir Path directory;

  /** Functions of the kernel by which a program could do more than look. */
  private static final Set<String> DOING =
      Set.of(
          "probe_write_user",
          "override_return",
          "send_signal",
          "send_signal_thread",
          "skb_store_bytes",
          "xdp_adjust_head",
          "redirect",
          "setsockopt",
          "sysctl_set_new_value",
          "sys_bpf",
          "sys_close");

  private record Answer(int code, String out, String err) {
    JsonNode json() throws IOException {
      return JSON.readTree(out);
    }
  }

  private Answer doctor(Path home, List<String> wrapper, String... arguments) throws Exception {
    return doctor(home, wrapper, Map.of(), arguments);
  }

  private Answer doctor(
      Path home, List<String> wrapper, Map<String, String> environment, String... arguments)
      throws Exception {
    List<String> command = new ArrayList<>(wrapper);
    command.addAll(List.of(home.resolve("bin/java").toString(), "-jar", JAR.toString(), "doctor"));
    command.addAll(List.of(arguments));
    Path err = directory.resolve("err");
    ProcessBuilder builder = new ProcessBuilder(command).redirectError(err.toFile());
    builder.environment().putAll(environment);
    Process process = builder.start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Answer(process.waitFor(), out, Files.readString(err));
  }

  private static List<String> nobody() {
    return List.of(
        "unshare",
        "--mount",
        "sh",
        "-ec",
        "mount -t tmpfs none /run; exec \"$@\"",
        "sh",
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all");
  }

  private static void assertFitsTheSchema(JsonNode report) throws IOException {
    JsonSchema schema =
        JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012)
            .getSchema(Files.readString(ROOT.resolve("docs/doctor.schema.json")));
    assertThat(schema.validate(report)).isEmpty();
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void triesEveryProgram(Path home) throws Exception {
    Answer answer = doctor(home, List.of(), "--json");
    assertThat(answer.err()).isEmpty();
    assertThat(answer.code()).isZero();
    JsonNode report = answer.json();
    assertFitsTheSchema(report);
    assertThat(report.path("level").asText()).isEqualTo("kernel");
    assertThat(report.path("raise")).isEmpty();
    Set<String> names = new HashSet<>();
    for (JsonNode program : report.path("programs")) {
      names.add(program.path("name").asText());
      assertThat(program.path("attached").path("answer").asText())
          .as(program.toString())
          .isEqualTo("yes");
      assertThat(program.path("verified").asInt()).as(program.toString()).isPositive();
      assertThat(program.path("machineCodeBytes").asInt()).as(program.toString()).isPositive();
    }
    assertThat(names)
        .contains("on_switch", "on_sent", "on_received", "on_safepoint_begin", "on_tls_return");
    for (JsonNode map : report.path("maps")) {
      assertThat(map.path("memoryBytes").asLong()).as(map.toString()).isPositive();
    }
    for (JsonNode helper : report.path("safety").path("helpers")) {
      String name = helper.path("name").asText();
      assertThat(DOING).doesNotContain(name);
      assertThat(helper.path("meaning").asText())
          .as("put %s into Safety.MEANINGS", name)
          .doesNotContain("bpf-helpers");
    }
    boolean virtual = !home.toString().contains("17");
    assertThat(report.path("jvm").path("virtualThreads").path("answer").asText())
        .isEqualTo(virtual ? "yes" : "no");
  }

  @Test
  void leavesNothingInTheKernel() throws Exception {
    int before = programs();
    Answer answer = doctor(THIS_JVM, List.of());
    assertThat(answer.code()).isZero();
    // The kernel frees them after a grace period.
    long deadline = System.nanoTime() + 20_000_000_000L;
    while (programs() > before && System.nanoTime() < deadline) {
      Thread.sleep(100);
    }
    assertThat(programs()).isLessThanOrEqualTo(before);
  }

  private static int programs() throws Exception {
    Process process =
        new ProcessBuilder("sh", "-c", "PATH=$PATH:/usr/sbin:/sbin exec bpftool prog show")
            .redirectErrorStream(true)
            .start();
    String lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).isZero();
    return (int) lines.lines().filter(line -> line.contains(" name on_tls_free ")).count();
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void tellsNobodyWhatIsMissing(Path home) throws Exception {
    Answer answer = doctor(home, nobody(), "--json");
    assertThat(answer.err()).isEmpty();
    assertThat(answer.code()).isEqualTo(1);
    JsonNode report = answer.json();
    assertFitsTheSchema(report);
    assertThat(report.path("level").asText()).isEqualTo("process");
    assertThat(report.path("raise").toString()).contains("CAP_BPF and CAP_PERFMON", "sidecar");
    assertThat(report.path("process").path("uid").asText()).isEqualTo("65534");
    assertThat(report.path("process").path("capabilities").path("effective")).isEmpty();
    assertThat(report.path("kernel").path("typeInformation").path("answer").asText())
        .isEqualTo("yes");
    // Refused is not unsupported.
    for (JsonNode program : report.path("programs")) {
      assertThat(program.path("attached").path("answer").asText()).isEqualTo("unknown");
      assertThat(program.path("instructions").asInt()).isPositive();
    }
    // That a set is not needed is known without rights.
    assertThat(report.path("sets").path("twice").path("reason").asText()).isNotEmpty();
    for (String set : List.of("tracing", "functions", "ledger")) {
      assertThat(report.path("sets").path(set).path("answer").asText()).isEqualTo("unknown");
    }
  }

  @Test
  void tellsOtherAgentsAndOptions() throws Exception {
    Answer answer =
        doctor(
            THIS_JVM,
            List.of(),
            Map.of(
                "JAVA_TOOL_OPTIONS",
                "-XX:+DisableAttachMechanism -agentlib:jdwp=transport=dt_socket,server=y,"
                    + "suspend=n,address=127.0.0.1:0"),
            "--json");
    // The debugger's agent prints where it listens.
    JsonNode report = JSON.readTree(answer.out().substring(answer.out().indexOf('{')));
    assertThat(report.path("jvm").path("attach").path("answer").asText()).isEqualTo("no");
    assertThat(report.path("jvm").path("otherAgents").toString()).contains("-agentlib:jdwp");
  }

  @Test
  void switchedOffIsTold() throws Exception {
    Answer answer =
        doctor(THIS_JVM, List.of(), Map.of("UNDERSPAN_KERNEL_ENABLED", "false"), "--json");
    assertThat(answer.code()).isEqualTo(1);
    assertThat(answer.json().path("raise").toString()).contains("underspan.kernel.enabled");
  }

  @Test
  void aSidecarThatIsToldIsTheOnlyWay() throws Exception {
    Path socket = directory.resolve("underspan.sock");
    Files.createFile(socket);
    Answer answer =
        doctor(
            THIS_JVM, List.of(), Map.of("UNDERSPAN_SIDECAR_SOCKET", socket.toString()), "--json");
    assertThat(answer.code()).isEqualTo(1);
    JsonNode report = answer.json();
    assertFitsTheSchema(report);
    assertThat(report.path("sidecar").path("present").path("answer").asText()).isEqualTo("yes");
    assertThat(report.path("sidecar").path("serves").path("answer").asText()).isNotEqualTo("yes");
    assertThat(report.path("raise").toString()).contains(socket.toString());
  }

  @Test
  void aPageFitsATerminal() throws Exception {
    Answer answer = doctor(THIS_JVM, List.of());
    assertThat(answer.out().lines()).allSatisfy(line -> assertThat(line.length()).isLessThan(120));
    assertThat(answer.out()).contains("level           kernel", "WHY THEY ARE SAFE");
  }

  @Test
  void usage() throws Exception {
    Answer help = doctor(THIS_JVM, List.of(), "--help");
    assertThat(help.code()).isZero();
    assertThat(help.out()).contains("doctor [--json]", "Exit code");
    Answer unknown = doctor(THIS_JVM, List.of(), "--jsn");
    assertThat(unknown.code()).isEqualTo(2);
    assertThat(unknown.out()).isEmpty();
    assertThat(unknown.err()).contains("no option '--jsn'", "doctor [--json]");
  }
}
