package dev.underspan.matrix;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import okhttp3.Call;
import okhttp3.Callback;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;

/**
 * /outer/N asks the same server for /inner/N with OkHttp: even ones at once, odd ones by its
 * dispatcher, which lets five run and starts the next one when one has ended.
 */
public final class OkHttpApp {
  private static final OkHttpClient CLIENT = new OkHttpClient();

  private OkHttpApp() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    ExecutorService executor = Executors.newFixedThreadPool(90);
    server.setExecutor(executor);
    String base = "http://localhost:" + server.getAddress().getPort();
    server.createContext(
        "/outer/",
        exchange -> {
          String path = exchange.getRequestURI().getPath();
          int n = Integer.parseInt(path.substring("/outer/".length()));
          Call call = CLIENT.newCall(new Request.Builder().url(base + "/inner/" + n).build());
          try (Response response = n % 2 == 0 ? call.execute() : enqueue(call).join()) {
            answer(exchange, response.body().string());
          }
        });
    server.createContext("/inner/", exchange -> answer(exchange, "inner"));
    server.start();
    System.out.println("port " + server.getAddress().getPort());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    server.stop(0);
    executor.shutdown();
    CLIENT.dispatcher().executorService().shutdown();
  }

  private static CompletableFuture<Response> enqueue(Call call) {
    CompletableFuture<Response> answer = new CompletableFuture<>();
    call.enqueue(
        new Callback() {
          @Override
          public void onFailure(Call failed, IOException error) {
            answer.completeExceptionally(new UncheckedIOException(error));
          }

          @Override
          public void onResponse(Call done, Response response) {
            answer.complete(response);
          }
        });
    return answer;
  }

  private static void answer(HttpExchange exchange, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.US_ASCII);
    exchange.sendResponseHeaders(200, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }
}
