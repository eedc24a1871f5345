package dev.underspan.sample.load;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The running shop: PostgreSQL and the three services, every one a process of its own. Closing it,
 * or ending this JVM, ends exactly these processes.
 */
public final class Shop implements AutoCloseable {
  private final ShopOptions options;

  /**
   * Ends the shop's processes if this JVM ends without doing so, even by SIGKILL: then the script's
   * input ends.
   */
  private static final String GUARD =
      """
      trap '' INT TERM HUP
      data=$1; postgres=$2; shift 2
      read -r line
      kill -TERM "$@"
      kill -INT "$postgres"
      n=0
      while kill -0 "$postgres" && [ $n -lt 100 ]; do n=$((n + 1)); sleep 0.1; done
      rm -rf -- "$data"
      """;

  private final Map<Service, ChildProcess> services = new EnumMap<>(Service.class);
  private final Map<Service, Integer> ports = new EnumMap<>(Service.class);
  private final Thread hook = new Thread(this::stop, "shop-stop");
  private final Thread starter;
  private volatile boolean starting;
  private PostgresLauncher postgres;
  private Process guard;
  private Duration startTime = Duration.ZERO;
  private boolean closed;

  private Shop(ShopOptions options) {
    this.options = options;
    this.starter = Thread.currentThread();
  }

  /** Starts the shop, and returns when every part of it is ready. */
  public static Shop start(ShopOptions options) throws IOException, InterruptedException {
    Shop shop = new Shop(options);
    shop.starting = true;
    Runtime.getRuntime().addShutdownHook(shop.hook);
    try {
      shop.startAll();
      shop.starting = false;
      return shop;
    } catch (IOException | InterruptedException | RuntimeException e) {
      try {
        shop.close();
      } catch (IOException suppressed) {
        e.addSuppressed(suppressed);
      }
      throw e;
    }
  }

  private synchronized void startAll() throws IOException, InterruptedException {
    long begin = System.nanoTime();
    long deadline = begin + options.startTimeout().toNanos();
    for (Service service : Service.values()) {
      if (!Files.isRegularFile(service.jar(options.repoRoot()))) {
        throw new IOException(
            service.jar(options.repoRoot())
                + " is missing; build it by: mvn -f sample-apps/pom.xml package");
      }
    }
    int inventoryPort = Ports.free();
    int pricingPort = Ports.free();
    while (pricingPort == inventoryPort) {
      pricingPort = Ports.free();
    }
    // The storefront takes longest, so it begins first; nobody calls before all are ready.
    startService(
        Service.STOREFRONT,
        List.of("--port", "0"),
        Map.of(
            "INVENTORY_URL", "http://127.0.0.1:" + inventoryPort,
            "PRICING_URL", "http://127.0.0.1:" + pricingPort));
    postgres =
        PostgresLauncher.start(
            options.logDir().resolve("postgres.log"),
            Duration.ofNanos(Math.max(1, deadline - System.nanoTime())),
            options.stopGrace());
    startService(
        Service.INVENTORY,
        List.of("--port", Integer.toString(inventoryPort)),
        Map.of("INVENTORY_JDBC_URL", postgres.jdbcUrl()));
    startService(
        Service.PRICING,
        List.of(
            "--port",
            Integer.toString(pricingPort),
            "--threads",
            Integer.toString(options.pricingThreads())),
        Map.of());
    startGuard();
    for (Map.Entry<Service, ChildProcess> entry : services.entrySet()) {
      Pattern ready = Pattern.compile(entry.getKey().id() + " ready on port (\\d+)\n");
      Matcher matcher = entry.getValue().await(ready, deadline);
      ports.put(entry.getKey(), Integer.valueOf(matcher.group(1)));
    }
    startTime = Duration.ofNanos(System.nanoTime() - begin);
  }

  private void startService(
      Service service, List<String> arguments, Map<String, String> environment) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(options.javaHome().resolve("bin").resolve("java").toString());
    command.add("-Xmx256m");
    if (options.quickStart()) {
      command.addAll(List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
    }
    command.addAll(options.jvmArgs(service));
    command.add("-jar");
    command.add(service.jar(options.repoRoot()).toString());
    command.addAll(arguments);
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.directory(options.logDir().toFile());
    builder.environment().put("OTEL_SERVICE_NAME", service.id());
    builder.environment().putAll(options.environment(service));
    builder.environment().putAll(environment);
    Path log = options.logDir().resolve(service.id() + ".log");
    services.put(service, ChildProcess.start(service.id(), builder, log));
  }

  private void startGuard() throws IOException {
    List<String> command = new ArrayList<>(List.of("sh", "-c", GUARD, "shop-guard"));
    command.add(postgres().data().toString());
    command.add(Long.toString(postgres().pid()));
    services.values().forEach(process -> command.add(Long.toString(process.pid())));
    guard =
        new ProcessBuilder(command)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
  }

  /** The port of a service on 127.0.0.1. */
  public int port(Service service) {
    Integer port = ports.get(service);
    if (port == null) {
      throw new IllegalStateException(service.id() + " is not running");
    }
    return port;
  }

  /** The root URL of a service, without a slash at its end. */
  public URI url(Service service) {
    return URI.create("http://127.0.0.1:" + port(service));
  }

  /** The process id of a service. */
  public long pid(Service service) {
    ChildProcess process = services.get(service);
    if (process == null) {
      throw new IllegalStateException(service.id() + " is not running");
    }
    return process.pid();
  }

  /** What a service wrote, output and errors. */
  public Path log(Service service) {
    return options.logDir().resolve(service.id() + ".log");
  }

  /** The directory of all logs. */
  public Path logDir() {
    return options.logDir();
  }

  /** The shop's database. */
  public PostgresLauncher postgres() {
    if (postgres == null) {
      throw new IllegalStateException("PostgreSQL is not running");
    }
    return postgres;
  }

  /** How long the start took until the last part was ready. */
  public Duration startTime() {
    return startTime;
  }

  /** Every process of the shop at this moment, PostgreSQL's workers and the guard included. */
  public List<ProcessHandle> processes() {
    List<ProcessHandle> all = new ArrayList<>();
    for (ChildProcess service : services.values()) {
      all.addAll(service.descendants());
      all.add(service.handle());
    }
    if (postgres != null) {
      all.addAll(postgres.processes());
    }
    if (guard != null) {
      all.add(guard.toHandle());
    }
    return all;
  }

  /** Ends the processes, and waits until they have ended. */
  @Override
  public synchronized void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    List<ProcessHandle> left = new ArrayList<>();
    Map<Service, List<ProcessHandle>> descendants = new EnumMap<>(Service.class);
    services.forEach((service, process) -> descendants.put(service, process.descendants()));
    services.values().forEach(ChildProcess::terminate);
    services.forEach(
        (service, process) ->
            left.addAll(
                process.awaitEnd(
                    descendants.getOrDefault(service, List.of()), options.stopGrace())));
    if (postgres != null) {
      postgres.close();
    }
    if (guard != null) {
      guard.destroyForcibly().onExit().join();
    }
    if (Thread.currentThread() != hook) {
      try {
        Runtime.getRuntime().removeShutdownHook(hook);
      } catch (IllegalStateException e) {
        // the JVM is ending already
      }
    }
    if (!left.isEmpty()) {
      throw new IOException("could not end " + left);
    }
  }

  /** Runs when the JVM ends, which may be before the start is complete. */
  private void stop() {
    if (starting) {
      starter.interrupt();
    }
    try {
      close();
    } catch (IOException e) {
      System.err.println("while stopping the shop: " + e.getMessage());
    }
  }
}
