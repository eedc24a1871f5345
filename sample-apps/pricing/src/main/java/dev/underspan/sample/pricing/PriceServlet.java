package dev.underspan.sample.pricing;

import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Properties;
import java.util.concurrent.TimeUnit;

/**
 * Prices a product. {@code ?hold=MS} holds the one lock of all requests for so long, {@code
 * ?work=MS} occupies the thread; both sleep, or compute with {@code &spin=true}.
 */
final class PriceServlet extends HttpServlet {
  private static final long serialVersionUID = 1L;
  private static final int MAX_MS = 10_000;
  private static final int ROUNDS = 6_000;

  /** The price list: one writer at a time, and every writer takes its time. */
  private static final Object PRICE_LIST = new Object();

  private final transient Path rules;

  PriceServlet(Path rules) {
    this.rules = rules;
  }

  @Override
  protected void doGet(HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    String path = request.getPathInfo();
    if (path == null || !path.matches("/\\d{1,9}")) {
      respond(response, 404, "{\"error\":\"no such product\"}");
      return;
    }
    int id = Integer.parseInt(path.substring(1));
    boolean spin = "true".equals(request.getParameter("spin"));
    int hold = milliseconds(request.getParameter("hold"));
    int work = milliseconds(request.getParameter("work"));

    Properties read = new Properties();
    try (Reader reader = Files.newBufferedReader(rules, StandardCharsets.UTF_8)) {
      read.load(reader);
    }
    long cents = price(read, id);
    String seal = seal(id, cents);
    if (hold > 0) {
      synchronized (PRICE_LIST) {
        occupy(hold, spin);
      }
    }
    if (work > 0) {
      occupy(work, spin);
    }
    respond(response, 200, "{\"cents\":" + cents + ",\"seal\":\"" + seal + "\"}");
  }

  private static long price(Properties rules, int id) {
    long cents = number(rules, "base.cents") + id * number(rules, "per-product.cents");
    long every = number(rules, "discount.every");
    return every > 0 && id % every == 0
        ? cents * (100 - number(rules, "discount.percent")) / 100
        : cents;
  }

  private static long number(Properties rules, String name) {
    return Long.parseLong(rules.getProperty(name, "0").trim());
  }

  /** Some milliseconds of computing. */
  private static String seal(int id, long cents) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      byte[] bytes = (id + ":" + cents).getBytes(StandardCharsets.UTF_8);
      for (int i = 0; i < ROUNDS; i++) {
        bytes = digest.digest(bytes);
      }
      return String.format("%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2], bytes[3]);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void occupy(int ms, boolean spin) {
    if (spin) {
      long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(ms);
      while (System.nanoTime() - end < 0) {
        Thread.onSpinWait();
      }
      return;
    }
    try {
      Thread.sleep(ms);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static int milliseconds(String value) {
    return value == null || !value.matches("\\d{1,9}")
        ? 0
        : Math.min(MAX_MS, Integer.parseInt(value));
  }

  private static void respond(HttpServletResponse response, int status, String body)
      throws IOException {
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    response.setStatus(status);
    response.setContentType("application/json");
    response.setContentLength(bytes.length);
    response.getOutputStream().write(bytes);
  }
}
