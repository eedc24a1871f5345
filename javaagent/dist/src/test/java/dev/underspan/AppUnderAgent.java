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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** An application of the tests, started with the real jar; ends when closed. */
public final class AppUnderAgent implements AutoCloseable {
  private static final Path JAR = Path.of(System.getProperty("underspan.jar"));

  final Process process;

  /** Where its standard error goes. */
  public final Path stderr;

  /** Where it listens. */
  public final int port;

  /** What it printed before its port. */
  final List<String> greeting = new ArrayList<>();

  private static final String AGENTS_OR_TESTS =
      ".*(underspan|byte-buddy|opentelemetry|jnr|jffi|junit|assertj|archunit|jackson).*";

  /** How to start it. */
  public static final class Builder {
    private final Path home;
    private final Path directory;
    private final String endpoint;
    private List<String> wrapper = List.of();
    private List<String> jvmArguments = List.of();
    private List<String> jvmArgumentsAfter = List.of();
    private List<Path> classPath = List.of();
    private final Map<String, String> environment = new HashMap<>();
    private boolean toolOptions;
    private List<String> command = List.of("dev.underspan.testapp.EchoApp");
    private boolean jar;
    private String agentArguments = "";
    private String libraries = "";

    /** A JVM, a folder for what it writes, and where its spans go. */
    public Builder(Path home, Path directory, String endpoint) {
      this.home = home;
      this.directory = directory;
      this.endpoint = endpoint;
    }

    /** What the JVM is started by. */
    public Builder wrapper(List<String> newWrapper) {
      wrapper = newWrapper;
      return this;
    }

    /** Arguments of the JVM's. */
    public Builder jvm(String... arguments) {
      jvmArguments = List.of(arguments);
      return this;
    }

    /** Those that stand behind our agent. */
    public Builder jvmAfter(String... arguments) {
      jvmArgumentsAfter = List.of(arguments);
      return this;
    }

    /** All of the JVM's arguments go into JAVA_TOOL_OPTIONS. */
    public Builder byToolOptions() {
      toolOptions = true;
      return this;
    }

    /** Jars that the application needs besides the tests' own classes. */
    public Builder classPath(List<Path> jars) {
      classPath = jars;
      return this;
    }

    /** A variable of its environment. */
    public Builder environment(String name, String value) {
      environment.put(name, value);
      return this;
    }

    /** The application. */
    public Builder command(String... mainAndArguments) {
      command = List.of(mainAndArguments);
      return this;
    }

    /** The application as a jar that brings all it needs. */
    public Builder jar(Path file) {
      command = List.of("-jar", file.toString());
      jar = true;
      return this;
    }

    /** Arguments of the agent's. */
    public Builder agent(String... arguments) {
      agentArguments = arguments.length == 0 ? "" : "=" + String.join(",", arguments);
      return this;
    }

    /** With the libraries that the tests have, but none of the agent's. */
    public Builder libraries() {
      StringBuilder found = new StringBuilder();
      String path =
          System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
      for (String entry : path.split(File.pathSeparator, -1)) {
        if (entry.endsWith(".jar")
            && !Path.of(entry).getFileName().toString().matches(AGENTS_OR_TESTS)) {
          found.append(File.pathSeparator).append(entry);
        }
      }
      libraries = found.toString();
      return this;
    }

    /** Returns when it has told its port. */
    public AppUnderAgent start() throws IOException {
      return new AppUnderAgent(this);
    }
  }

  private AppUnderAgent(Builder with) throws IOException {
    stderr = with.directory.resolve("stderr-" + System.nanoTime());
    List<String> command = new ArrayList<>(with.wrapper);
    command.add(with.home.resolve("bin/java").toString());
    List<String> jvm = new ArrayList<>(with.jvmArguments);
    jvm.add("-javaagent:" + JAR + with.agentArguments);
    jvm.addAll(with.jvmArgumentsAfter);
    command.add("-Xmx128m");
    if (!with.toolOptions) {
      command.addAll(jvm);
    }
    if (!with.jar) {
      StringBuilder classPath = new StringBuilder(classesOf(with.command.get(0)) + with.libraries);
      with.classPath.forEach(jar -> classPath.append(File.pathSeparator).append(jar));
      command.addAll(List.of("-cp", classPath.toString()));
    }
    command.addAll(with.command);
    ProcessBuilder builder = new ProcessBuilder(command).redirectError(stderr.toFile());
    Map<String, String> environment = builder.environment();
    environment.put("OTEL_SERVICE_NAME", "app");
    environment.put("OTEL_EXPORTER_OTLP_ENDPOINT", with.endpoint);
    environment.put("OTEL_BSP_SCHEDULE_DELAY", "200");
    // On an emulated machine the default of 10 s is too little.
    environment.put("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");
    if (with.toolOptions) {
      environment.put("JAVA_TOOL_OPTIONS", String.join(" ", jvm));
    }
    environment.putAll(with.environment);
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

  /** The application's package, copied where every user may read. */
  private static Path classesOf(String main) throws IOException {
    String file = main.replace('.', '/') + ".class";
    String directory = file.substring(0, file.lastIndexOf('/'));
    Path target = Path.of("/tmp/underspan-testapp-" + ProcessHandle.current().pid());
    Path copies = target.resolve(directory);
    if (!Files.exists(copies)) {
      Files.createDirectories(copies);
      Path compiled =
          Path.of(URI.create(String.valueOf(ClassLoader.getSystemResource(file))))
              .resolveSibling("");
      try (Stream<Path> classes = Files.list(compiled)) {
        for (Path one : classes.filter(Files::isRegularFile).toList()) {
          Path copy = copies.resolve(one.getFileName().toString());
          Files.copy(one, copy);
          copy.toFile().deleteOnExit();
        }
      }
    }
    return target;
  }

  /** Waits until the agent says at which level it is. */
  public String level() throws Exception {
    long deadline = System.nanoTime() + TimeUnit.MINUTES.toNanos(5);
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

  /** What it wrote to its standard error. */
  public String errors() throws IOException {
    return Files.readString(stderr);
  }

  /** What it said: for a test that fails. */
  @Override
  public String toString() {
    try {
      return errors();
    } catch (IOException e) {
      return e.toString();
    }
  }

  /** A counter of the agent's as it told it at the end, with debug=true. */
  public int counted(String name) throws IOException {
    Matcher counter = Pattern.compile(Pattern.quote(name) + "=([0-9]+)").matcher(errors());
    assertThat(counter.find()).as(errors()).isTrue();
    return Integer.parseInt(counter.group(1));
  }

  /** Its answer to a request. */
  public String get(String path) throws Exception {
    HttpResponse<String> response =
        HttpClient.newHttpClient()
            .send(
                HttpRequest.newBuilder(URI.create("http://localhost:" + port + path)).build(),
                HttpResponse.BodyHandlers.ofString());
    assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    return response.body();
  }

  /** Ends it; its exit code. */
  public int end() throws Exception {
    process.getOutputStream().close();
    assertThat(process.waitFor(3, TimeUnit.MINUTES)).isTrue();
    return process.exitValue();
  }

  @Override
  public void close() {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }
}
