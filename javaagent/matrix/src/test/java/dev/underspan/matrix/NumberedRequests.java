package dev.underspan.matrix;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** Requests whose paths end in their numbers, of which a number is always on its way. */
final class NumberedRequests {
  private static final HttpClient CLIENT =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  private NumberedRequests() {}

  /**
   * Sends them.
   *
   * @param path what comes before the number, from its first slash on
   * @return the bodies of the answers, in the order of the numbers
   */
  static List<String> send(int port, String path, int count, int atOnce) throws Exception {
    Semaphore free = new Semaphore(atOnce);
    List<CompletableFuture<String>> answers = new ArrayList<>();
    for (int id = 0; id < count; id++) {
      free.acquire();
      URI uri = URI.create("http://127.0.0.1:" + port + path + id);
      answers.add(
          CLIENT
              .sendAsync(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString())
              .whenComplete((response, failure) -> free.release())
              .thenApply(HttpResponse::body));
    }
    List<String> bodies = new ArrayList<>();
    for (CompletableFuture<String> answer : answers) {
      bodies.add(answer.get(60, TimeUnit.SECONDS));
    }
    return bodies;
  }
}
