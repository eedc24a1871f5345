package dev.underspan.sample.load;

import dev.underspan.sample.load.LoadDriver.Plan;
import dev.underspan.sample.load.LoadDriver.Result;
import dev.underspan.sample.load.LoadDriver.Situation;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Runs the shop, the load or both by hand. */
public final class LoadMain {
  private static final String HELP =
      """
      Starts the sample shop (PostgreSQL, storefront, inventory, pricing), brings it into known
      situations, and stops it again.

      java -jar sample-apps/load/target/load.jar [options] [situation ...]

      Situations: normal lock slow-sql saturated; all of them if none is given.

        --url URL             send to a storefront that runs already; start nothing
        --serve               start the shop, send nothing unless a situation is given, and keep
                              it running until this process is ended
        --requests N          requests of each situation
        --clients N           clients at once
        --ms N                how long a lock, a statement or a piece of work takes
        --time-limit SECONDS  stop sending after so long (60)
        --repo DIR            the repository's root (found upwards from here)
        --java-home DIR       the JDK of the services (the one that runs this)
        --jvm-arg ARG         an argument for every service's JVM, such as -javaagent:...; may be
                              repeated; {service} in it stands for the service's name
        --env NAME=VALUE      an environment variable for every service; may be repeated
        --pricing-threads N   threads that serve requests in pricing (16)
        --quick-start         C1 and the serial collector only: starts quicker, runs slower
        --logs DIR            where the processes write their logs (a new directory in /tmp)
        --help                this text
      """;

  private final ShopOptions.Builder options = ShopOptions.builder();
  private final List<Situation> situations = new ArrayList<>();
  private String url = "";
  private boolean serve;
  private int requests = -1;
  private int clients = -1;
  private int millis = -1;
  private Duration timeLimit = Duration.ofSeconds(60);

  private LoadMain() {}

  /** Runs as the arguments say; see {@code --help}. */
  public static void main(String[] args) throws Exception {
    LoadMain main = new LoadMain();
    if (Arrays.asList(args).contains("--help")) {
      System.out.print(HELP);
      return;
    }
    try {
      main.parse(args);
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage() + "; see --help");
      System.exit(2);
    }
    System.exit(main.run() == 0 ? 0 : 1);
  }

  private void parse(String[] args) {
    for (int i = 0; i < args.length; i++) {
      String arg = args[i];
      if (!arg.startsWith("--")) {
        situations.add(Situation.named(arg));
        continue;
      }
      switch (arg) {
        case "--serve" -> serve = true;
        case "--quick-start" -> options.quickStart(true);
        default -> {
          if (i + 1 == args.length) {
            throw new IllegalArgumentException("unknown option, or one without its value: " + arg);
          }
          parse(arg, args[++i]);
        }
      }
    }
  }

  private void parse(String option, String value) {
    switch (option) {
      case "--url" -> url = value;
      case "--requests" -> requests = Integer.parseInt(value);
      case "--clients" -> clients = Integer.parseInt(value);
      case "--ms" -> millis = Integer.parseInt(value);
      case "--time-limit" -> timeLimit = Duration.ofSeconds(Long.parseLong(value));
      case "--repo" -> options.repoRoot(Path.of(value));
      case "--java-home" -> options.javaHome(Path.of(value));
      case "--jvm-arg" -> options.jvmArgs(value);
      case "--pricing-threads" -> options.pricingThreads(Integer.parseInt(value));
      case "--logs" -> options.logDir(Path.of(value));
      case "--env" -> {
        int equals = value.indexOf('=');
        if (equals < 1) {
          throw new IllegalArgumentException("--env takes NAME=VALUE");
        }
        options.environment(value.substring(0, equals), value.substring(equals + 1));
      }
      default -> throw new IllegalArgumentException("unknown option: " + option);
    }
  }

  private int run() throws Exception {
    if (!url.isEmpty()) {
      return drive(new LoadDriver(URI.create(url)), toRun());
    }
    try (Shop shop = Shop.start(options.build())) {
      System.out.println("shop ready in " + shop.startTime().toMillis() + " ms");
      for (Service service : Service.values()) {
        System.out.println(
            "  " + service.id() + " " + shop.url(service) + " pid " + shop.pid(service));
      }
      System.out.println(
          "  postgres " + shop.postgres().jdbcUrl() + " pid " + shop.postgres().pid());
      System.out.println("  logs " + shop.logDir());
      int errors =
          drive(new LoadDriver(shop.url(Service.STOREFRONT)), serve ? situations : toRun());
      if (serve) {
        Thread.sleep(Long.MAX_VALUE);
      }
      return errors;
    }
  }

  private List<Situation> toRun() {
    return situations.isEmpty() ? List.of(Situation.values()) : situations;
  }

  private int drive(LoadDriver driver, List<Situation> chosen) throws InterruptedException {
    int errors = 0;
    for (Situation situation : chosen) {
      Plan plan = Plan.of(situation).withTimeLimit(timeLimit);
      plan = requests < 0 ? plan : plan.withRequests(requests);
      plan = clients < 0 ? plan : plan.withClients(clients);
      plan = millis < 0 ? plan : plan.withMillis(millis);
      Result result = driver.run(plan, progress -> {});
      System.out.println(result.summary());
      result.messages().forEach(message -> System.out.println("    " + message));
      errors += result.errors();
    }
    return errors;
  }
}
