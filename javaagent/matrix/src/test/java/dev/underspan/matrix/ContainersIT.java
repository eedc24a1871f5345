package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.underspan.AppUnderAgent;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/**
 * docker/ without a container engine: what is written there fits together, and the sidecar's
 * manifest is carried out by hand, in a root file system and with the rights that it names. Root.
 */
class ContainersIT {
  private static final Path ROOT = Path.of(System.getProperty("underspan.repo.root"));
  private static final Path DOCKER = ROOT.resolve("docker");
  private static final String SOCKET = "/run/underspan/underspan.sock";
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path directory;

  /** Aliases and merges resolved, as the tools do that read these files. */
  private static JsonNode yaml(Path file) throws IOException {
    LoaderOptions strict = new LoaderOptions();
    strict.setAllowDuplicateKeys(false);
    return JSON.valueToTree(
        new Yaml(new SafeConstructor(strict)).<Object>load(Files.readString(file)));
  }

  private static List<Path> manifests() throws IOException {
    try (Stream<Path> files = Files.list(DOCKER.resolve("kubernetes"))) {
      return files.filter(file -> file.toString().endsWith(".yaml")).sorted().toList();
    }
  }

  private static Stream<JsonNode> containers(JsonNode manifest) {
    JsonNode pod = manifest.path("spec").path("template").path("spec");
    List<JsonNode> containers = new ArrayList<>();
    pod.path("initContainers").forEach(containers::add);
    pod.path("containers").forEach(containers::add);
    return containers.stream();
  }

  private static List<String> texts(JsonNode array) {
    List<String> texts = new ArrayList<>();
    array.forEach(one -> texts.add(one.asText()));
    return texts;
  }

  private static JsonNode sidecar(JsonNode manifest) {
    return containers(manifest)
        .filter(container -> container.path("name").asText().equals("sidecar"))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void manifestsGiveExactlyTheRightsThatAreNeeded() throws Exception {
    assertThat(manifests()).hasSize(3);
    for (Path file : manifests()) {
      JsonNode manifest = yaml(file);
      JsonNode pod = manifest.path("spec").path("template").path("spec");
      assertThat(pod.toString()).doesNotContain("privileged\":", "SYS_ADMIN", "SYS_PTRACE");
      List<String> volumes = new ArrayList<>();
      pod.path("volumes").forEach(volume -> volumes.add(volume.path("name").asText()));
      containers(manifest)
          .forEach(
              container -> {
                String name = file + " " + container.path("name").asText();
                JsonNode security = container.path("securityContext");
                assertThat(texts(security.path("capabilities").path("drop")))
                    .as(name)
                    .containsExactly("ALL");
                assertThat(texts(security.path("capabilities").path("add")))
                    .as(name)
                    .isEqualTo(
                        container.path("name").asText().equals("sidecar")
                            ? List.of("BPF", "PERFMON")
                            : List.of());
                assertThat(security.path("allowPrivilegeEscalation").isBoolean()).as(name).isTrue();
                assertThat(security.path("allowPrivilegeEscalation").asBoolean())
                    .as(name)
                    .isFalse();
                assertThat(security.path("readOnlyRootFilesystem").asBoolean()).as(name).isTrue();
                container
                    .path("volumeMounts")
                    .forEach(
                        mount ->
                            assertThat(volumes).as(name).contains(mount.path("name").asText()));
                container
                    .path("env")
                    .forEach(
                        variable -> {
                          if (variable.path("name").asText().equals("UNDERSPAN_SIDECAR_SOCKET")) {
                            assertThat(variable.path("value").asText()).isEqualTo(SOCKET);
                          }
                        });
              });
    }
  }

  @Test
  void composeFilesFitTogether() throws Exception {
    Path compose = DOCKER.resolve("compose");
    JsonNode services = yaml(compose.resolve("compose.yaml")).path("services");
    JsonNode volumes = yaml(compose.resolve("compose.yaml")).path("volumes");
    services
        .properties()
        .forEach(
            service -> {
              String name = service.getKey();
              JsonNode what = service.getValue();
              assertThat(what.has("image") || what.has("build")).as(name).isTrue();
              for (String needed : texts(what.path("depends_on"))) {
                assertThat(services.has(needed)).as(name + " needs " + needed).isTrue();
              }
              for (String volume : texts(what.path("volumes"))) {
                String source = volume.substring(0, volume.indexOf(':'));
                boolean built = source.contains("/target");
                assertThat(
                        volumes.has(source)
                            || built
                            || Files.exists(compose.resolve(source).normalize()))
                    .as(name + " mounts " + source)
                    .isTrue();
              }
              if (what.has("build")) {
                Path context = compose.resolve(what.path("build").path("context").asText());
                Path file = context.resolve(what.path("build").path("dockerfile").asText());
                assertThat(file.normalize()).exists();
              }
            });
    assertThat(texts(services.path("sidecar").path("cap_add"))).containsExactly("BPF", "PERFMON");
    for (String service : List.of("storefront", "inventory", "pricing")) {
      assertThat(texts(services.path(service).path("cap_drop"))).containsExactly("ALL");
      assertThat(services.path(service).has("cap_add")).isFalse();
      assertThat(services.path(service).path("environment").path("OTEL_SERVICE_NAME").asText())
          .isEqualTo(service);
      assertThat(ROOT.resolve("sample-apps/" + service + "/target/" + service + ".jar")).exists();
    }
    for (String file : List.of("collector.yaml", "tempo.yaml")) {
      assertThat(yaml(compose.resolve(file)).isObject()).isTrue();
    }
    JsonNode collector = yaml(compose.resolve("collector.yaml"));
    for (String exporter :
        texts(collector.path("service").path("pipelines").path("traces").path("exporters"))) {
      String endpoint = collector.path("exporters").path(exporter).path("endpoint").asText();
      assertThat(services.has(endpoint.split(":", 2)[0])).as(endpoint).isTrue();
    }
  }

  @Test
  void theDashboardAsksForWhatTheDocsDescribe() throws Exception {
    Path grafana = DOCKER.resolve("compose/grafana");
    JsonNode dashboard = JSON.readTree(grafana.resolve("dashboards/underspan.json").toFile());
    List<String> sources = new ArrayList<>();
    yaml(grafana.resolve("provisioning/datasources/datasources.yaml"))
        .path("datasources")
        .forEach(source -> sources.add(source.path("uid").asText()));
    String described =
        Files.readString(ROOT.resolve("docs/read-the-numbers.md"))
            + Files.readString(ROOT.resolve("docs/how-to-read-the-ledger.md"));
    Pattern attribute = Pattern.compile("underspan\\.[a-z_]+(\\.[a-z_]+)*");
    List<Integer> ids = new ArrayList<>();
    int queries = 0;
    for (JsonNode panel : dashboard.path("panels")) {
      ids.add(panel.path("id").asInt());
      assertThat(panel.path("gridPos").path("x").asInt() + panel.path("gridPos").path("w").asInt())
          .isLessThanOrEqualTo(24);
      assertThat(sources).contains(panel.path("datasource").path("uid").asText());
      for (JsonNode target : panel.path("targets")) {
        queries++;
        Matcher names = attribute.matcher(target.path("query").asText());
        while (names.find()) {
          assertThat(described).as(panel.path("title").asText()).contains(names.group());
        }
      }
    }
    assertThat(ids).doesNotHaveDuplicates().hasSizeGreaterThan(5);
    assertThat(queries).isGreaterThan(12);
  }

  @Test
  void theImagesStartWhatTheJarKnows() throws Exception {
    String dockerfile = Files.readString(DOCKER.resolve("sidecar/Dockerfile"));
    Matcher entry = Pattern.compile("ENTRYPOINT (\\[.*\\])").matcher(dockerfile);
    assertThat(entry.find()).isTrue();
    List<String> image = texts(JSON.readTree(entry.group(1)));
    for (Path file : manifests()) {
      containers(yaml(file))
          .filter(container -> container.path("name").asText().equals("sidecar"))
          .forEach(container -> assertThat(texts(container.path("command"))).isEqualTo(image));
    }
  }

  /**
   * The DaemonSet's container by hand: its command in a read-only root file system of its own, with
   * its capabilities, no_new_privs, its volumes; a service beside it as an ordinary user without
   * any.
   */
  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void theSidecarOfTheManifestServes(Path home) throws Exception {
    JsonNode manifest = yaml(DOCKER.resolve("kubernetes/node-sidecar.yaml"));
    JsonNode container = sidecar(manifest);
    List<String> capabilities =
        texts(container.path("securityContext").path("capabilities").path("add"));
    assertThat(container.path("securityContext").path("runAsUser").asInt(-1)).isZero();
    Path root = Files.createDirectories(directory.resolve("root"));
    Path shared = Files.createDirectories(directory.resolve("socket"));
    assertThat(directory.toFile().setExecutable(true, false)).isTrue();
    StringBuilder script = new StringBuilder();
    script.append("mount -t tmpfs none ").append(root).append("; cd ").append(root).append('\n');
    script.append("mkdir -p usr lib lib64 bin etc proc dev opt tmp run/underspan\n");
    for (String part : List.of("usr", "lib", "lib64", "bin", "etc", "dev")) {
      script.append("[ ! -d /").append(part).append(" ] || mount --bind /").append(part);
      script.append(" ").append(part).append('\n');
    }
    script
        .append("mount -t proc proc proc; mount --bind ")
        .append(shared)
        .append(" run/underspan\n");
    script.append("mount -t tmpfs none tmp; cp \"$1\" opt/underspan.jar\n");
    script.append("mount -o remount,ro ").append(root).append("; shift\n");
    script.append("export PATH=").append(home).append("/bin:$PATH\n");
    script.append("exec chroot . setpriv --no-new-privs --inh-caps=-all --bounding-set=-all");
    capabilities.forEach(one -> script.append(",+").append(one.toLowerCase(Locale.ROOT)));
    script.append(" \"$@\"");
    List<String> command = new ArrayList<>();
    command.addAll(List.of("unshare", "--mount", "sh", "-ec", script.toString(), "sh"));
    command.add(System.getProperty("underspan.jar"));
    command.addAll(texts(container.path("command")));
    command.addAll(texts(container.path("args")));
    Path log = directory.resolve("sidecar.log");
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store)) {
      Path socket = shared.resolve("underspan.sock");
      long deadline = System.nanoTime() + 60_000_000_000L;
      while (!Files.exists(socket) && process.isAlive() && System.nanoTime() < deadline) {
        Thread.sleep(20);
      }
      assertThat(socket).as(read(log)).exists();
      try (AppUnderAgent app =
          new AppUnderAgent.Builder(home, directory, receiver.endpoint())
              .wrapper(
                  List.of(
                      "setpriv",
                      "--reuid=1000",
                      "--regid=1000",
                      "--clear-groups",
                      "--no-new-privs",
                      "--inh-caps=-all",
                      "--bounding-set=-all"))
              .environment("UNDERSPAN_SIDECAR_SOCKET", socket.toString())
              .command("dev.underspan.matrix.CallingApp")
              .start()) {
        assertThat(app.level()).as(read(log)).contains("level sidecar");
        app.get("/outer");
        long until = System.nanoTime() + 30_000_000_000L;
        while (store.size() < 3 && System.nanoTime() < until) {
          Thread.sleep(50);
        }
        List<Span> spans = store.spans();
        assertThat(spans).as(app.errors() + read(log)).hasSize(3);
        assertThat(spans)
            .allSatisfy(
                span -> assertThat(span.attributes().get("underspan.level")).isEqualTo("sidecar"));
        // Stops too, with these two capabilities: else a line would say that they are not told.
        assertThat(app.errors()).doesNotContain("not told apart");
        assertThat(app.end()).isZero();
      }
    } finally {
      process.destroy();
      process.waitFor();
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
