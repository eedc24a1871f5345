package dev.underspan;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** An application of the tests, started with the real jar; ends when closed. */
final class AppUnderAgent implements AutoCloseable {
  private static final Path JAR = Path.of(System.getProperty("underspan.jar"));

  final Process process;
  final Path stderr;
  final int port;

  /** What it printed before its port. */
  final List<String> greeting = new ArrayList<>();

  private static final String AGENTS_OR_TESTS =
      ".*(underspan|byte-buddy|opentelemetry|jnr|jffi|junit|assertj|archunit|jackson).*";

  /** How to start it. */
  static final class Builder {
    private final Path home;
    private final Path directory;
    private final String endpoint;
    private List<String> wrapper = List.of();
    private List<String> jvmArguments = List.of();
    private List<String> command = List.of("dev.underspan.testapp.EchoApp");
    private String agentArguments = "";
    private String libraries = "";

    Builder(Path home, Path directory, String endpoint) {
      this.home = home;
      this.directory = directory;
      this.endpoint = endpoint;
    }

    Builder wrapper(List<String> newWrapper) {
      wrapper = newWrapper;
      return this;
    }

    Builder jvm(String... arguments) {
      jvmArguments = List.of(arguments);
      return this;
    }

    Builder command(String... mainAndArguments) {
      command = List.of(mainAndArguments);
      return this;
    }

    Builder agent(String... arguments) {
      agentArguments = arguments.length == 0 ? "" : "=" + String.join(",", arguments);
      return this;
    }

    /** With the libraries that the tests have, but none of the agent's. */
    Builder libraries() {
      StringBuilder found = new StringBuilder();
      String path =
          System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
      for (String entry : path.split(File.pathSeparator)) {
        if (entry.endsWith(".jar") && !entry.matches(AGENTS_OR_TESTS)) {
          found.append(File.pathSeparator).append(entry);
        }
      }
      libraries = found.toString();
      return this;
    }

    AppUnderAgent start() throws IOException {
      return new AppUnderAgent(this);
    }
  }

  private AppUnderAgent(Builder with) throws IOException {
    stderr = with.directory.resolve("stderr-" + System.nanoTime());
    List<String> command = new ArrayList<>(with.wrapper);
    command.add(with.home.resolve("bin/java").toString());
    command.add("-Xmx128m");
    command.addAll(with.jvmArguments);
    command.add("-javaagent:" + JAR + with.agentArguments);
    command.addAll(List.of("-cp", testClasses() + with.libraries));
    command.addAll(with.command);
    ProcessBuilder builder = new ProcessBuilder(command).redirectError(stderr.toFile());
    Map<String, String> environment = builder.environment();
    environment.put("OTEL_SERVICE_NAME", "app");
    environment.put("OTEL_EXPORTER_OTLP_ENDPOINT", with.endpoint);
    environment.put("OTEL_BSP_SCHEDULE_DELAY", "200");
    process = builder.start();
    BufferedReader out =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    String line = out.readLine();
    while (line != null && !line.startsWith("port ")) {
      greeting.add(line);
      line = out.readLine();
    }
    assertThat(line).as(Files.readString(stderr)).isNotNull();
    port = Integer.parseInt(line.substring("port ".length()));
  }

  /** Copied where every user may read. */
  private static Path testClasses() throws IOException {
    Path target = Path.of("/tmp/underspan-testapp-" + ProcessHandle.current().pid());
    Path packageDirectory = target.resolve("dev/underspan/testapp");
    if (!Files.exists(packageDirectory)) {
      Files.createDirectories(packageDirectory);
      Path compiled =
          Path.of(
                  URI.create(
                      String.valueOf(AppUnderAgent.class.getResource("testapp/EchoApp.class"))))
              .resolveSibling("");
      try (Stream<Path> classes = Files.list(compiled)) {
        for (Path file : classes.toList()) {
          Path copy = packageDirectory.resolve(file.getFileName().toString());
          Files.copy(file, copy);
          copy.toFile().deleteOnExit();
        }
      }
    }
    return target;
  }

  /** Waits until the agent says at which level it is. */
  String level() throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (System.nanoTime() < deadline) {
      for (String line : Files.readAllLines(stderr)) {
        if (line.contains("[underspan] level ")) {
          return line;
        }
      }
      Thread.sleep(20);
    }
    throw new AssertionError("no level told: " + Files.readString(stderr));
  }

  String get(String path) throws Exception {
    HttpResponse<String> response =
        HttpClient.newHttpClient()
            .send(
                HttpRequest.newBuilder(URI.create("http://localhost:" + port + path)).build(),
                HttpResponse.BodyHandlers.ofString());
    assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    return response.body();
  }

  int end() throws Exception {
    process.getOutputStream().close();
    assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
    return process.exitValue();
  }

  @Override
  public void close() {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }
}
