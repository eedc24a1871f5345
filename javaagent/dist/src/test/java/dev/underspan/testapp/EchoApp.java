package dev.underspan.testapp;

import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * An application without any knowledge of the agent: /outer calls /inner on the same server. Prints
 * "port N", answers until its standard input ends, then exits with 0.
 */
public final class EchoApp {
  private EchoApp() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    int port = server.getAddress().getPort();
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    server.createContext(
        "/inner",
        exchange -> {
          byte[] body =
              String.valueOf(exchange.getRequestHeaders().getFirst("traceparent"))
                  .getBytes(StandardCharsets.US_ASCII);
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    server.createContext(
        "/outer",
        exchange -> {
          byte[] body;
          try {
            body =
                client
                    .send(
                        HttpRequest.newBuilder(URI.create("http://localhost:" + port + "/inner"))
                            .build(),
                        HttpResponse.BodyHandlers.ofByteArray())
                    .body();
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    ExecutorService executor = Executors.newFixedThreadPool(4);
    server.setExecutor(executor);
    server.start();
    // What an application must not see of us.
    for (String name :
        new String[] {
          "net.bytebuddy.ByteBuddy",
          "io.opentelemetry.api.OpenTelemetry",
          "dev.underspan.runtime.AgentMain",
          "jnr.ffi.Runtime"
        }) {
      try {
        Class.forName(name);
        System.out.println("visible " + name);
      } catch (ClassNotFoundException e) {
        // as it should be
      }
    }
    System.out.println("port " + port);
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    server.stop(0);
    executor.shutdown();
  }
}
