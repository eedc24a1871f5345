package dev.underspan.matrix;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import reactor.netty.http.client.HttpClient;

/**
 * /outer/N asks the same server for /inner/N by the name nN.shop.test; /none/N looks for
 * nN.none.test, which there is not. With the JDK's resolver, or with Netty's where the argument
 * says so.
 */
public final class NamesApp {
  private NamesApp() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    boolean netty = args[0].equals("netty");
    HttpClient client = HttpClient.create();
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    ExecutorService executor = Executors.newFixedThreadPool(130);
    server.setExecutor(executor);
    int port = server.getAddress().getPort();
    server.createContext(
        "/outer/",
        exchange -> {
          String number = exchange.getRequestURI().getPath().substring("/outer/".length());
          String url = "http://n" + number + ".shop.test:" + port + "/inner/" + number;
          answer(
              exchange,
              netty
                  ? client.get().uri(url).responseContent().aggregate().asString().block()
                  : ask(url));
        });
    server.createContext("/inner/", exchange -> answer(exchange, "inner"));
    server.createContext(
        "/none/",
        exchange -> {
          String number = exchange.getRequestURI().getPath().substring("/none/".length());
          try {
            answer(exchange, "" + InetAddress.getAllByName("n" + number + ".none.test").length);
          } catch (UnknownHostException e) {
            answer(exchange, "none");
          }
        });
    server.start();
    System.out.println("port " + port);
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    System.exit(0);
  }

  private static String ask(String url) throws IOException {
    HttpURLConnection call = (HttpURLConnection) URI.create(url).toURL().openConnection();
    try (InputStream in = call.getInputStream()) {
      return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
    }
  }

  private static void answer(HttpExchange exchange, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.US_ASCII);
    exchange.sendResponseHeaders(200, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }
}
