package dev.underspan.instrument.testapp;

import static dev.underspan.instrument.testapp.Probe.check;
import static dev.underspan.instrument.testapp.Probe.recorded;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** The JDK's HTTP server and its two clients. */
public final class JdkHttpApp {
  private JdkHttpApp() {}

  public static void main(String[] args) throws Exception {
    Queue<List<String>> headers = new ConcurrentLinkedQueue<>();
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/hello",
        exchange -> {
          headers.add(exchange.getRequestHeaders().getOrDefault("traceparent", List.of()));
          recorded("in handler", "server:/hello/x", Probe.context());
          exchange.sendResponseHeaders(202, -1);
          exchange.close();
        });
    server.createContext(
        "/fail",
        exchange -> {
          throw new IOException("expected");
        });
    server.start();
    String base = "http://127.0.0.1:" + server.getAddress().getPort();
    URI uri = URI.create(base + "/hello/x?q=1");
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    Probe.context("c");
    check(
        "status",
        202,
        client.send(HttpRequest.newBuilder(uri).build(), BodyHandlers.discarding()).statusCode());
    recorded("java.net.http", List.of("tp-c"), headers.remove());
    client.send(
        HttpRequest.newBuilder(uri).header("traceparent", "mine").build(),
        BodyHandlers.discarding());
    check("own header", List.of("mine"), headers.poll());
    HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
    check("status", 202, connection.getResponseCode());
    recorded("HttpURLConnection", List.of("tp-c"), headers.remove());
    HttpURLConnection second = (HttpURLConnection) uri.toURL().openConnection();
    second.setRequestProperty("traceparent", "mine");
    check("status", 202, second.getResponseCode());
    recorded("own header", List.of("mine"), headers.remove());
    Probe.context(null);
    client.send(HttpRequest.newBuilder(uri).build(), BodyHandlers.discarding());
    recorded("no span", List.of(), headers.remove());
    try {
      client.send(
          HttpRequest.newBuilder(URI.create(base + "/fail")).build(), BodyHandlers.discarding());
    } catch (IOException expected) {
      // The server hangs up.
    }
    Probe.event("start jdk-httpserver GET http /hello/x q=1 127.0.0.1true HTTP/1.1 .*", 5);
    Probe.event("start .*\\[tp-c\\]", 2);
    Probe.event("end server:/hello/x 202 /hello null", 5);
    Probe.event(
        "end server:/fail 0 /fail java.io.IOException: expected",
        Probe.events().stream().anyMatch(e -> e.startsWith("start") && e.contains("/fail"))
            ? (int)
                Probe.events().stream()
                    .filter(e -> e.startsWith("start") && e.contains("/fail"))
                    .count()
            : 1);
    long before = Probe.events().stream().filter("accepted true"::equals).count();
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        Socket out = new Socket(listener.getInetAddress(), listener.getLocalPort());
        Socket in = listener.accept()) {
      check("connected", out.getLocalPort(), in.getPort());
    }
    Probe.event("accepted true", (int) before + 1);
    Probe.event("accepted false", 0);
    Probe.event("failed .*", 0);
    recorded("accepted by the server", true, before > 0);
    server.stop(0);
    System.out.println("DONE");
  }
}
