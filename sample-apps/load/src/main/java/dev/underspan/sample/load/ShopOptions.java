package dev.underspan.sample.load;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** How to start a {@link Shop}. */
public final class ShopOptions {
  private final Path repoRoot;
  private final Path javaHome;
  private final Path logDir;
  private final Map<Service, List<String>> jvmArgs;
  private final Map<Service, Map<String, String>> environment;
  private final int pricingThreads;
  private final boolean quickStart;
  private final Duration startTimeout;
  private final Duration stopGrace;

  private ShopOptions(Builder builder, Path logDir) {
    this.repoRoot = builder.repoRoot;
    this.javaHome = builder.javaHome;
    this.logDir = logDir;
    this.jvmArgs = new EnumMap<>(Service.class);
    this.environment = new EnumMap<>(Service.class);
    for (Service service : Service.values()) {
      jvmArgs.put(service, List.copyOf(builder.jvmArgs.getOrDefault(service, List.of())));
      environment.put(service, Map.copyOf(builder.environment.getOrDefault(service, Map.of())));
    }
    this.pricingThreads = builder.pricingThreads;
    this.quickStart = builder.quickStart;
    this.startTimeout = builder.startTimeout;
    this.stopGrace = builder.stopGrace;
  }

  /**
   * Begins with the defaults: the repository of system property {@code underspan.repo.root} (or the
   * nearest directory upwards that has {@code sample-apps}), the JDK that runs this, a new
   * directory for the logs.
   */
  public static Builder builder() {
    return new Builder();
  }

  /** The root of the repository, where the services' jars are looked for. */
  public Path repoRoot() {
    return repoRoot;
  }

  /** The JDK that the services run on. */
  public Path javaHome() {
    return javaHome;
  }

  /** Where every process writes its log. */
  public Path logDir() {
    return logDir;
  }

  /** The extra arguments of a service's JVM, with {@code {service}} already replaced. */
  public List<String> jvmArgs(Service service) {
    return jvmArgs.getOrDefault(service, List.of()).stream()
        .map(argument -> argument.replace("{service}", service.id()))
        .toList();
  }

  /** The extra environment of a service. */
  public Map<String, String> environment(Service service) {
    return environment.getOrDefault(service, Map.of());
  }

  /** How many threads of pricing serve requests. */
  public int pricingThreads() {
    return pricingThreads;
  }

  /** Whether the JVMs are told to compile with C1 only and collect serially. */
  public boolean quickStart() {
    return quickStart;
  }

  /** How long the whole start may take. */
  public Duration startTimeout() {
    return startTimeout;
  }

  /** How long a process may take to end before it is ended by force. */
  public Duration stopGrace() {
    return stopGrace;
  }

  /** Collects the options. */
  public static final class Builder {
    private Path repoRoot = defaultRepoRoot();
    private Path javaHome = Path.of(System.getProperty("java.home"));
    private Path logDir;
    private final Map<Service, List<String>> jvmArgs = new EnumMap<>(Service.class);
    private final Map<Service, Map<String, String>> environment = new EnumMap<>(Service.class);
    private int pricingThreads = 16;
    private boolean quickStart;
    private Duration startTimeout = Duration.ofSeconds(90);
    private Duration stopGrace = Duration.ofSeconds(10);

    private Builder() {}

    /** Sets the root of the repository. */
    public Builder repoRoot(Path value) {
      repoRoot = value.toAbsolutePath().normalize();
      return this;
    }

    /** Sets the JDK that the services run on. */
    public Builder javaHome(Path value) {
      javaHome = value;
      return this;
    }

    /** Sets the directory of the logs; it is created. */
    public Builder logDir(Path value) {
      logDir = value;
      return this;
    }

    /** Adds JVM arguments for all services; {@code {service}} stands for the service's name. */
    public Builder jvmArgs(String... values) {
      for (Service service : Service.values()) {
        jvmArgs(service, values);
      }
      return this;
    }

    /** Adds JVM arguments for one service. */
    public Builder jvmArgs(Service service, String... values) {
      Collections.addAll(jvmArgs.computeIfAbsent(service, s -> new ArrayList<>()), values);
      return this;
    }

    /** Sets an environment variable for all services. */
    public Builder environment(String name, String value) {
      for (Service service : Service.values()) {
        environment(service, name, value);
      }
      return this;
    }

    /** Sets an environment variable for one service. */
    public Builder environment(Service service, String name, String value) {
      environment.computeIfAbsent(service, s -> new HashMap<>()).put(name, value);
      return this;
    }

    /** Sets how many threads of pricing serve requests; 16 unless told. */
    public Builder pricingThreads(int value) {
      pricingThreads = value;
      return this;
    }

    /** Trades the services' top speed for a quicker start; off unless told. */
    public Builder quickStart(boolean value) {
      quickStart = value;
      return this;
    }

    /** Sets how long the whole start may take. */
    public Builder startTimeout(Duration value) {
      startTimeout = value;
      return this;
    }

    /** Sets how long a process may take to end before it is ended by force. */
    public Builder stopGrace(Duration value) {
      stopGrace = value;
      return this;
    }

    /** Makes the options, and the directory of the logs. */
    public ShopOptions build() throws IOException {
      Path logs = logDir == null ? Files.createTempDirectory("underspan-shop-") : logDir;
      return new ShopOptions(this, Files.createDirectories(logs).toAbsolutePath());
    }

    private static Path defaultRepoRoot() {
      String told = System.getProperty("underspan.repo.root");
      if (told != null) {
        return Path.of(told).toAbsolutePath().normalize();
      }
      Path here = Path.of("").toAbsolutePath();
      for (Path path = here; path != null; path = path.getParent()) {
        if (Files.isRegularFile(path.resolve("sample-apps").resolve("pom.xml"))) {
          return path;
        }
      }
      return here;
    }
  }
}
