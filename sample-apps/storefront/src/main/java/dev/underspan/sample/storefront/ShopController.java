package dev.underspan.sample.storefront;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.springframework.beans.factory.DisposableBean;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.server.ResponseStatusException;

/** What a customer may ask of the shop. */
@RestController
public class ShopController implements DisposableBean {
  private static final int DEFAULT_HOLD_MS = 30;
  private static final int DEFAULT_SLOW_SQL_MS = 300;
  private static final int DEFAULT_WORK_MS = 150;

  private final Upstream upstream = Upstream.fromEnvironment();
  private final AtomicInteger threadNumber = new AtomicInteger();
  private final ExecutorService executor =
      Executors.newFixedThreadPool(
          32,
          task -> {
            Thread thread = new Thread(task, "checkout-" + threadNumber.incrementAndGet());
            thread.setDaemon(true);
            return thread;
          });

  /** Shows a product: stock first, then its price. */
  @GetMapping("/shop/products/{id}")
  public ResponseEntity<String> product(
      @PathVariable("id") int id,
      @RequestParam(name = "situation", defaultValue = "normal") String situation,
      @RequestParam(name = "ms", defaultValue = "-1") int ms)
      throws IOException, InterruptedException {
    String stockPath = stockPath(situation, id, ms);
    String pricePath = pricePath(situation, id, ms);
    try {
      String stock = upstream.inventory("GET", stockPath);
      String price = upstream.pricing(pricePath);
      return answer(id, stock, price);
    } catch (UpstreamException e) {
      return failure(e);
    }
  }

  /** Checks a product out: reserves a piece and prices it at the same time. */
  @GetMapping("/shop/checkout/{id}")
  public ResponseEntity<String> checkout(
      @PathVariable("id") int id,
      @RequestParam(name = "situation", defaultValue = "normal") String situation,
      @RequestParam(name = "ms", defaultValue = "-1") int ms) {
    String pricePath = pricePath(situation, id, ms);
    boolean slowSql = situation.equals("slow-sql");
    CompletableFuture<String> stock =
        CompletableFuture.supplyAsync(
            () ->
                slowSql
                    ? upstream.inventoryUnchecked("GET", stockPath(situation, id, ms))
                    : upstream.inventoryUnchecked("POST", "/reserve/" + id),
            executor);
    CompletableFuture<String> price =
        CompletableFuture.supplyAsync(() -> upstream.pricingUnchecked(pricePath), executor);
    try {
      return answer(id, stock.join(), price.join());
    } catch (CompletionException e) {
      if (e.getCause() instanceof UpstreamException cause) {
        return failure(cause);
      }
      throw e;
    }
  }

  /** Always fails: inventory asks its database for a table that is not there. */
  @GetMapping("/shop/broken")
  public ResponseEntity<String> broken() throws IOException, InterruptedException {
    try {
      return json(200, upstream.inventory("GET", "/broken"));
    } catch (UpstreamException e) {
      return failure(e);
    }
  }

  @Override
  public void destroy() {
    executor.shutdownNow();
  }

  private static String stockPath(String situation, int id, int ms) {
    if (situation.equals("slow-sql")) {
      return "/report/" + id + "?ms=" + (ms < 0 ? DEFAULT_SLOW_SQL_MS : ms);
    }
    return "/stock/" + id;
  }

  private static String pricePath(String situation, int id, int ms) {
    return switch (situation) {
      case "normal", "slow-sql" -> "/price/" + id;
      case "lock" -> "/price/" + id + "?hold=" + (ms < 0 ? DEFAULT_HOLD_MS : ms);
      case "saturated" -> "/price/" + id + "?work=" + (ms < 0 ? DEFAULT_WORK_MS : ms);
      default -> throw new ResponseStatusException(HttpStatus.BAD_REQUEST, "no such situation");
    };
  }

  private static ResponseEntity<String> answer(int id, String stock, String price) {
    return json(200, "{\"id\":" + id + ",\"stock\":" + stock + ",\"price\":" + price + "}");
  }

  private static ResponseEntity<String> failure(UpstreamException e) {
    int status = e.status() == 404 || e.status() == 500 ? e.status() : 502;
    return json(status, "{\"error\":\"" + e.service() + " answered " + e.status() + "\"}");
  }

  private static ResponseEntity<String> json(int status, String body) {
    return ResponseEntity.status(status).contentType(MediaType.APPLICATION_JSON).body(body);
  }
}
