package dev.underspan.sample.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.underspan.sample.load.LoadDriver.Plan;
import dev.underspan.sample.load.LoadDriver.Result;
import dev.underspan.sample.load.LoadDriver.Situation;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Starts the whole shop for real, on every JDK found. */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class ShopIT {
  private static final int PRICING_THREADS = 16;

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  /** The JDK that runs the test, and JDK 25 if this machine has it. */
  static List<Path> javaHomes() throws IOException {
    List<Path> homes = new ArrayList<>();
    homes.add(Path.of(System.getProperty("java.home")));
    Path all = Path.of("/usr/lib/jvm");
    if (Runtime.version().feature() != 25 && Files.isDirectory(all)) {
      try (Stream<Path> entries = Files.list(all)) {
        entries.filter(ShopIT::isJdk25).sorted().findFirst().ifPresent(homes::add);
      }
    }
    return homes;
  }

  private static boolean isJdk25(Path home) {
    Path release = home.resolve("release");
    try {
      return Files.isExecutable(home.resolve("bin/java"))
          && Files.isRegularFile(release)
          && Files.readString(release).contains("JAVA_VERSION=\"25");
    } catch (IOException e) {
      return false;
    }
  }

  @ParameterizedTest
  @MethodSource("javaHomes")
  void everySituationHasItsEffect(Path javaHome, @TempDir Path logs) throws Exception {
    ShopOptions options =
        ShopOptions.builder()
            .javaHome(javaHome)
            .logDir(logs)
            .pricingThreads(PRICING_THREADS)
            .jvmArgs("-Dtest.mark={service}-mark")
            .environment(Service.PRICING, "TEST_MARK", "only here")
            .build();
    List<ProcessHandle> processes;
    int pricingPort;
    try (Shop shop = Shop.start(options)) {
      System.out.println(
          "shop on " + javaHome + " ready in " + shop.startTime().toMillis() + " ms");
      processes = shop.processes();
      pricingPort = shop.port(Service.PRICING);
      // The server of PostgreSQL has workers besides.
      assertThat(processes).hasSizeGreaterThan(Service.values().length + 1);
      assertThat(processes).allMatch(ProcessHandle::isAlive);

      checkSettings(shop);
      checkAnswers(shop);
      LoadDriver driver = new LoadDriver(shop.url(Service.STOREFRONT));
      checkNormal(driver);
      checkLock(driver);
      checkSlowSql(driver);
      checkSaturated(driver, pricingPort);

      // Not a word in the logs but that of readiness.
      for (Service service : Service.values()) {
        assertThat(shop.log(service)).content().matches(service.id() + " ready on port \\d+\n");
      }
      processes = Stream.concat(processes.stream(), shop.processes().stream()).toList();
    }
    assertThat(processes).noneMatch(ProcessHandle::isAlive);
    assertThatThrownBy(() -> get(URI.create("http://127.0.0.1:" + pricingPort + "/price/1")))
        .isInstanceOf(IOException.class);
  }

  @Test
  void endsWhatItStartedWhenAPartFails(@TempDir Path logs) throws Exception {
    ShopOptions options =
        ShopOptions.builder().logDir(logs).jvmArgs(Service.PRICING, "-XX:NoSuchOption").build();
    List<Long> before = ProcessHandle.current().descendants().map(ProcessHandle::pid).toList();

    assertThatThrownBy(() -> Shop.start(options))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("pricing ended with 1")
        .hasMessageContaining("NoSuchOption");

    assertThat(ProcessHandle.current().descendants().map(ProcessHandle::pid))
        .containsExactlyInAnyOrderElementsOf(before);
  }

  @Test
  void saysWhichJarIsMissing(@TempDir Path empty) throws Exception {
    ShopOptions options = ShopOptions.builder().repoRoot(empty).logDir(empty).build();

    assertThatThrownBy(() -> Shop.start(options))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("storefront.jar is missing");
  }

  private static void checkSettings(Shop shop) throws IOException {
    for (Service service : Service.values()) {
      Path proc = Path.of("/proc", Long.toString(shop.pid(service)));
      assertThat(Files.readString(proc.resolve("cmdline")))
          .contains("-Dtest.mark=" + service.id() + "-mark\0");
      String environment = "\0" + Files.readString(proc.resolve("environ"));
      assertThat(environment).contains("\0OTEL_SERVICE_NAME=" + service.id() + "\0");
      assertThat(environment.contains("\0TEST_MARK=only here\0"))
          .isEqualTo(service == Service.PRICING);
    }
  }

  private void checkAnswers(Shop shop) throws Exception {
    String storefront = shop.url(Service.STOREFRONT).toString();
    String inventory = shop.url(Service.INVENTORY).toString();

    HttpResponse<String> product = get(URI.create(storefront + "/shop/products/7"));
    assertThat(product.statusCode()).isEqualTo(200);
    // (500 + 7 * 25) less 10 percent
    assertThat(product.body())
        .contains("\"stock\":{\"available\":1000000}")
        .contains("\"cents\":607,");
    HttpResponse<String> checkout = get(URI.create(storefront + "/shop/checkout/7"));
    assertThat(checkout.statusCode()).isEqualTo(200);
    assertThat(checkout.body()).contains("\"reserved\":1");
    assertThat(get(URI.create(inventory + "/stock/7")).body()).isEqualTo("{\"available\":999999}");
    assertThat(get(URI.create(inventory + "/report/7?ms=1")).body())
        .isEqualTo("{\"reservations\":1}");

    assertThat(get(URI.create(inventory + "/broken")).statusCode()).isEqualTo(500);
    assertThat(get(URI.create(inventory + "/broken")).body()).contains("42P01"); // undefined table
    assertThat(get(URI.create(storefront + "/shop/broken")).statusCode()).isEqualTo(500);
    assertThat(get(URI.create(storefront + "/shop/products/999999")).statusCode()).isEqualTo(404);
    assertThat(get(URI.create(storefront + "/shop/products/1?situation=x")).statusCode())
        .isEqualTo(400);
  }

  private static void checkNormal(LoadDriver driver) throws Exception {
    AtomicInteger last = new AtomicInteger();
    Result result =
        driver.run(
            Plan.of(Situation.NORMAL).withRequests(60), progress -> last.set(progress.done()));

    assertClean(result, 60);
    assertThat(last).hasValue(60);
  }

  private static void checkLock(LoadDriver driver) throws Exception {
    Result result = driver.run(Plan.of(Situation.LOCK), progress -> {});

    assertClean(result, 24);
    // One after the other, although many ask at once: monitors are not fair, but most must wait.
    assertThat(result.elapsed()).isGreaterThanOrEqualTo(Duration.ofMillis(24 * 30));
    assertThat(result.percentile(0.9)).isGreaterThan(Duration.ofMillis(5 * 30));
  }

  private static void checkSlowSql(LoadDriver driver) throws Exception {
    Result result = driver.run(Plan.of(Situation.SLOW_SQL).withRequests(8), progress -> {});

    assertClean(result, 8);
    assertThat(result.percentile(0)).isGreaterThanOrEqualTo(Duration.ofMillis(300));
  }

  private static void checkSaturated(LoadDriver driver, int pricingPort) throws Exception {
    AtomicBoolean over = new AtomicBoolean();
    AtomicInteger most = new AtomicInteger();
    Thread watch =
        new Thread(
            () -> {
              while (!over.get()) {
                most.accumulateAndGet(connectionsNotRead(pricingPort), Math::max);
                try {
                  Thread.sleep(5);
                } catch (InterruptedException e) {
                  return;
                }
              }
            },
            "watch-sockets");
    watch.start();
    Result result = driver.run(Plan.of(Situation.SATURATED), progress -> {});
    over.set(true);
    watch.join();

    assertClean(result, 80);
    // 80 pieces of work of 150 ms by 16 threads
    assertThat(result.elapsed()).isGreaterThanOrEqualTo(Duration.ofMillis(80 / 16 * 150));
    System.out.println("requests in sockets that nobody read, at most: " + most.get());
    // 40 at once, 16 of them served; on a busy machine few of the others are there at one moment.
    assertThat(most.get()).isBetween(2, 40 - PRICING_THREADS + 8);
  }

  /** Established connections of a local port whose bytes nobody has read, as the kernel says. */
  private static int connectionsNotRead(int port) {
    String address = String.format(Locale.ROOT, ":%04X", port);
    int count = 0;
    for (String table : List.of("/proc/net/tcp", "/proc/net/tcp6")) {
      try {
        for (String line : Files.readAllLines(Path.of(table))) {
          String[] fields = line.trim().split(" +", -1);
          if (fields.length > 4
              && fields[1].endsWith(address)
              && fields[3].equals("01")
              && !fields[4].endsWith(":00000000")) {
            count++;
          }
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return count;
  }

  private static void assertClean(Result result, int requests) {
    System.out.println(result.summary());
    assertThat(result.messages()).isEmpty();
    assertThat(result.errors()).isZero();
    assertThat(result.sent()).isEqualTo(requests);
    assertThat(result.statuses()).containsOnlyKeys(200);
  }

  private HttpResponse<String> get(URI uri) throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(uri).timeout(Duration.ofSeconds(20)).build(),
        HttpResponse.BodyHandlers.ofString());
  }
}
