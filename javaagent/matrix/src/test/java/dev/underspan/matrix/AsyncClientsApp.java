package dev.underspan.matrix;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import io.r2dbc.postgresql.PostgresqlConnectionConfiguration;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import io.r2dbc.spi.Connection;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.hc.client5.http.async.methods.SimpleHttpRequest;
import org.apache.hc.client5.http.async.methods.SimpleHttpResponse;
import org.apache.hc.client5.http.async.methods.SimpleRequestBuilder;
import org.apache.hc.client5.http.impl.async.CloseableHttpAsyncClient;
import org.apache.hc.client5.http.impl.async.HttpAsyncClients;
import org.apache.hc.client5.http.impl.nio.PoolingAsyncClientConnectionManagerBuilder;
import org.apache.hc.core5.concurrent.FutureCallback;
import reactor.core.publisher.Mono;

/**
 * An HTTP server that calls by clients with threads of their own, each twice: the second call is
 * made where the first one's answer comes. /apache/N asks this server for /inner/N and /last/N by
 * Apache's asynchronous client; /r2dbc/N asks PostgreSQL, whose port is the first argument, for
 * columns named inner_N and last_N. Fewer connections than requests.
 */
public final class AsyncClientsApp {
  private static final int CONNECTIONS = 7;

  private AsyncClientsApp() {}

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
    BlockingQueue<Connection> idle = new LinkedBlockingQueue<>();
    PostgresqlConnectionFactory factory =
        new PostgresqlConnectionFactory(
            PostgresqlConnectionConfiguration.builder()
                .host("127.0.0.1")
                .port(Integer.parseInt(args[0]))
                .username("postgres")
                .database("postgres")
                .build());
    for (int i = 0; i < CONNECTIONS; i++) {
      idle.add(factory.create().block());
    }
    handle(
        server,
        "/apache/",
        n ->
            get(apache, port, "/inner/" + n)
                .thenCompose(text -> get(apache, port, "/last/" + n))
                .join());
    handle(server, "/inner/", n -> "inner " + n);
    handle(server, "/last/", n -> "last " + n);
    handle(
        server,
        "/r2dbc/",
        n -> {
          Connection connection = take(idle);
          try {
            return select(connection, "inner_" + n)
                .flatMap(text -> select(connection, "last_" + n))
                .block();
          } finally {
            idle.add(connection);
          }
        });
    server.start();
    System.out.println("port " + port);
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    server.stop(0);
    executor.shutdown();
    apache.close();
    for (Connection connection : idle) {
      Mono.from(connection.close()).block();
    }
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

  private static Connection take(BlockingQueue<Connection> idle) {
    try {
      return idle.take();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Mono<String> select(Connection connection, String column) {
    return Mono.from(
            connection.createStatement("SELECT $1::text AS " + column).bind(0, "x").execute())
        .flatMap(result -> Mono.from(result.map((row, metadata) -> row.get(0, String.class))));
  }
}
