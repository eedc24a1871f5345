package dev.underspan.sample.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import dev.underspan.sample.load.LoadDriver.Plan;
import dev.underspan.sample.load.LoadDriver.Progress;
import dev.underspan.sample.load.LoadDriver.Result;
import dev.underspan.sample.load.LoadDriver.Situation;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class LoadDriverTest {
  private final AtomicInteger asked = new AtomicInteger();
  private final ExecutorService executor = Executors.newFixedThreadPool(4);
  private volatile int failEvery = Integer.MAX_VALUE;
  private volatile int delayMillis;
  private HttpServer server;
  private LoadDriver driver;

  @BeforeEach
  void start() throws Exception {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(executor);
    server.createContext(
        "/shop/",
        exchange -> {
          try (exchange) {
            Thread.sleep(delayMillis);
            int status = asked.incrementAndGet() % failEvery == 0 ? 500 : 200;
            exchange.sendResponseHeaders(status, -1);
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
    server.start();
    driver = new LoadDriver(URI.create("http://127.0.0.1:" + server.getAddress().getPort()));
  }

  @AfterEach
  void stop() {
    server.stop(0);
    executor.shutdownNow();
  }

  @Test
  void sendsAsManyAsPlannedAndReportsEach() throws Exception {
    List<Progress> heard = new ArrayList<>();

    Result result = driver.run(Plan.of(Situation.NORMAL).withRequests(30), heard::add);

    assertThat(asked).hasValue(30);
    assertThat(result.sent()).isEqualTo(30);
    assertThat(result.errors()).isZero();
    assertThat(result.latencies()).hasSize(30).isSorted();
    assertThat(heard).extracting(Progress::done).isSorted().hasSize(30).endsWith(30);
  }

  @Test
  void countsErrors() throws Exception {
    failEvery = 5;

    Result result = driver.run(Plan.of(Situation.LOCK).withRequests(20), progress -> {});

    assertThat(result.errors()).isEqualTo(4);
    assertThat(result.statuses()).isEqualTo(Map.of(200, 16, 500, 4));
    assertThat(result.messages()).hasSize(4).allMatch(message -> message.contains("500"));
  }

  @Test
  void countsRequestsWithoutAnAnswerAsErrors() throws Exception {
    server.stop(0);

    Result result = driver.run(Plan.of(Situation.NORMAL).withRequests(8), progress -> {});

    assertThat(result.errors()).isEqualTo(8);
    assertThat(result.latencies()).isEmpty();
    assertThat(result.percentile(0.5)).isEqualTo(Duration.ZERO);
  }

  @Test
  void stopsSendingAtTheTimeLimit() throws Exception {
    delayMillis = 50;

    Result result =
        driver.run(
            Plan.of(Situation.NORMAL).withRequests(10_000).withTimeLimit(Duration.ofMillis(300)),
            progress -> {});

    assertThat(result.sent()).isPositive().isLessThan(10_000);
    assertThat(result.elapsed()).isBetween(Duration.ofMillis(300), Duration.ofSeconds(20));
  }

  @Test
  void asksForTheSituation() {
    assertThat(LoadDriver.path(Plan.of(Situation.NORMAL), 0))
        .isEqualTo("/shop/products/1?situation=normal");
    assertThat(LoadDriver.path(Plan.of(Situation.NORMAL), 3))
        .isEqualTo("/shop/checkout/22?situation=normal");
    assertThat(LoadDriver.path(Plan.of(Situation.SLOW_SQL).withMillis(70), 3))
        .isEqualTo("/shop/products/22?situation=slow-sql&ms=70");
  }

  @Test
  void findsSituationsByEitherName() {
    assertThat(Situation.named("slow-sql")).isEqualTo(Situation.SLOW_SQL);
    assertThat(Situation.named("SLOW_SQL")).isEqualTo(Situation.SLOW_SQL);
    assertThatThrownBy(() -> Situation.named("calm")).hasMessageContaining("calm");
  }
}
