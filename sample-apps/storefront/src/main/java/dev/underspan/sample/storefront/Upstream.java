package dev.underspan.sample.storefront;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** The two services behind the storefront, each called by another HTTP client of the JDK. */
final class Upstream {
  private static final Duration TIMEOUT = Duration.ofSeconds(30);

  private final String inventoryUrl;
  private final String pricingUrl;
  private final HttpClient client =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(5))
          .build();

  Upstream(String inventoryUrl, String pricingUrl) {
    this.inventoryUrl = inventoryUrl;
    this.pricingUrl = pricingUrl;
  }

  static Upstream fromEnvironment() {
    return new Upstream(
        setting("INVENTORY_URL", "http://127.0.0.1:8081"),
        setting("PRICING_URL", "http://127.0.0.1:8082"));
  }

  private static String setting(String name, String fallback) {
    String value = System.getProperty(name, System.getenv(name));
    return value == null || value.isEmpty() ? fallback : value;
  }

  /** Calls inventory by {@code java.net.http}, on the calling thread. */
  String inventory(String method, String path) throws IOException, InterruptedException {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(inventoryUrl + path))
            .timeout(TIMEOUT)
            .method(method, HttpRequest.BodyPublishers.noBody())
            .build();
    HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() != 200) {
      throw new UpstreamException("inventory", response.statusCode());
    }
    return response.body();
  }

  /** Calls pricing by {@code HttpURLConnection}. */
  String pricing(String path) throws IOException {
    HttpURLConnection connection =
        (HttpURLConnection) URI.create(pricingUrl + path).toURL().openConnection();
    connection.setConnectTimeout(5_000);
    connection.setReadTimeout((int) TIMEOUT.toMillis());
    int status = connection.getResponseCode();
    if (status != 200) {
      try (InputStream error = connection.getErrorStream()) {
        if (error != null) {
          error.readAllBytes(); // read to its end, so that the connection can be used again
        }
      }
      throw new UpstreamException("pricing", status);
    }
    try (InputStream body = connection.getInputStream()) {
      return new String(body.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  String inventoryUnchecked(String method, String path) {
    try {
      return inventory(method, path);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for inventory", e);
    }
  }

  String pricingUnchecked(String path) {
    try {
      return pricing(path);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
