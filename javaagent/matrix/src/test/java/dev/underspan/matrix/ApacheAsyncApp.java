package dev.underspan.matrix;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.hc.client5.http.async.methods.SimpleHttpRequest;
import org.apache.hc.client5.http.async.methods.SimpleHttpResponse;
import org.apache.hc.client5.http.async.methods.SimpleRequestBuilder;
import org.apache.hc.client5.http.impl.async.CloseableHttpAsyncClient;
import org.apache.hc.client5.http.impl.async.HttpAsyncClients;
import org.apache.hc.client5.http.impl.nio.PoolingAsyncClientConnectionManagerBuilder;
import org.apache.hc.core5.concurrent.FutureCallback;

/**
 * An HTTP server: /apache/N asks this server for /inner/N by Apache's asynchronous client and,
 * where that answer comes, for /last/N. Fewer connections than requests: they wait for each
 * other's.
 */
public final class ApacheAsyncApp {
  private static final int CONNECTIONS = 7;

  private ApacheAsyncApp() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    ExecutorService executor = Executors.newFixedThreadPool(90);
    server.setExecutor(executor);
    int port = server.getAddress().getPort();
    CloseableHttpAsyncClient apache =
        HttpAsyncClients.custom()
            .setConnectionManager(
                PoolingAsyncClientConnectionManagerBuilder.create()
                    .setMaxConnPerRoute(CONNECTIONS)
                    .build())
            .build();
    apache.start();
    handle(
        server,
        "/apache/",
        n ->
            get(apache, port, "/inner/" + n)
                .thenCompose(text -> get(apache, port, "/last/" + n))
                .join());
    handle(server, "/inner/", n -> "inner " + n);
    handle(server, "/last/", n -> "last " + n);
    server.start();
    System.out.println("port " + port);
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    server.stop(0);
    executor.shutdown();
    apache.close();
  }

  private interface Answer {
    String to(int n);
  }

  private static void handle(HttpServer server, String path, Answer answer) {
    HttpHandler handler =
        exchange -> {
          int n = Integer.parseInt(exchange.getRequestURI().getPath().substring(path.length()));
          send(exchange, answer.to(n));
        };
    server.createContext(path, handler);
  }

  private static void send(HttpExchange exchange, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.US_ASCII);
    exchange.sendResponseHeaders(200, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  private static CompletableFuture<String> get(
      CloseableHttpAsyncClient client, int port, String path) {
    CompletableFuture<String> answer = new CompletableFuture<>();
    SimpleHttpRequest request = SimpleRequestBuilder.get("http://localhost:" + port + path).build();
    var unused =
        client.execute(
            request,
            new FutureCallback<SimpleHttpResponse>() {
              @Override
              public void completed(SimpleHttpResponse response) {
                answer.complete(response.getBodyText());
              }

              @Override
              public void failed(Exception error) {
                answer.completeExceptionally(error);
              }

              @Override
              public void cancelled() {
                answer.cancel(false);
              }
            });
    return answer;
  }
}
