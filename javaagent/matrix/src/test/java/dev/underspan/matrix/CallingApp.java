package dev.underspan.matrix;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.concurrent.Executors;

/** Of the JDK alone, so any user can run it: /outer asks the same server for /inner. */
public final class CallingApp {
  private CallingApp() {}

  /** Prints "port N", answers until its standard input ends. */
  public static void main(String[] args) throws Exception {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    String inner = "http://localhost:" + server.getAddress().getPort() + "/inner";
    server.createContext("/inner", exchange -> answer(exchange, new byte[] {'o', 'k'}));
    server.createContext(
        "/outer",
        exchange -> {
          try (InputStream in = URI.create(inner).toURL().openStream()) {
            answer(exchange, in.readAllBytes());
          }
        });
    server.setExecutor(Executors.newFixedThreadPool(4));
    server.start();
    System.out.println("port " + server.getAddress().getPort());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    System.exit(0);
  }

  private static void answer(HttpExchange exchange, byte[] body) throws IOException {
    exchange.sendResponseHeaders(200, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }
}
