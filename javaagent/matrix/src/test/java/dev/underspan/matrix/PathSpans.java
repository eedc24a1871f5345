package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.Budget;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Many requests at once, whose paths end in a number; and their spans, found by these paths. */
final class PathSpans {
  static final int REQUESTS = 211; // prime
  private static final int IN_FLIGHT = 60;

  private PathSpans() {}

  // ---- load and spans ------------------------------------------------------------------------

  /** Sends them all, so many at once, over connections that are kept alive. */
  static void send(AppUnderAgent app, String path, int count, String body) throws Exception {
    send(HttpClient.newBuilder(), "http://localhost:" + app.port + path, count, body);
  }

  static void send(HttpClient.Builder by, String url, int count, String body) throws Exception {
    HttpClient client = by.version(HttpClient.Version.HTTP_1_1).build();
    List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
    for (int n = 0; n < count; n++) {
      HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + n));
      if (body != null) {
        request.POST(HttpRequest.BodyPublishers.ofString(body));
      }
      answers.add(client.sendAsync(request.build(), HttpResponse.BodyHandlers.ofString()));
      if (n >= IN_FLIGHT) {
        answers.get(n - IN_FLIGHT).get(20, TimeUnit.SECONDS);
      }
    }
    for (CompletableFuture<HttpResponse<String>> answer : answers) {
      HttpResponse<String> response = answer.get(20, TimeUnit.SECONDS);
      assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    }
  }

  static List<Span> await(TraceStore store, int count) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
    while (store.received() < count && System.nanoTime() < deadline) {
      Thread.sleep(50);
    }
    Thread.sleep(500); // more than that would be wrong
    return store.spans();
  }

  static String path(Span span) {
    String url = span.text("url.full");
    return url == null ? span.text("url.path") : URI.create(url).getPath();
  }

  /** By kind and path, each of them once. */
  static Map<String, Span> byPath(List<Span> spans) {
    Map<String, Span> found = new HashMap<>();
    for (Span span : spans) {
      if (path(span) != null) {
        assertThat(found.put(span.kind() + " " + path(span), span)).as(path(span)).isNull();
      }
    }
    return found;
  }

  static void assertCall(Map<String, Span> spans, Span parent, String path) {
    assertBegun(call(spans, parent, path));
  }

  /** A call and how it was answered, which is returned. */
  static Span call(Map<String, Span> spans, Span parent, String path) {
    Span call = spans.remove("CLIENT " + path);
    assertThat(call).as("call of " + path).isNotNull();
    assertThat(call.parentId()).as("parent of the call of " + path).isEqualTo(parent.spanId());
    assertThat(call.traceId()).isEqualTo(parent.traceId());
    Span answer = spans.remove("SERVER " + path);
    assertThat(answer).as(path).isNotNull();
    assertThat(answer.parentId()).as("parent of " + path).isEqualTo(call.spanId());
    assertThat(answer.traceId()).isEqualTo(parent.traceId());
    return answer;
  }

  /** Each request to the path asks for /inner/N and then for /last/N; nothing else is told. */
  static void assertTwoCallsEach(AppUnderAgent app, TraceStore store, String path)
      throws Exception {
    assertThat(app.level()).contains("level kernel: ledger and sockets");
    send(app, path, REQUESTS, null);
    List<Span> received = await(store, 5 * REQUESTS);
    Map<String, Span> spans = byPath(received);
    for (int n = 0; n < REQUESTS; n++) {
      Span root = root(spans, path + n);
      assertCall(spans, root, "/inner/" + n);
      assertCall(spans, root, "/last/" + n);
    }
    assertThat(spans).isEmpty();
    assertThat(received).hasSize(5 * REQUESTS);
    assertQuiet(app);
  }

  static Span root(Map<String, Span> spans, String path) {
    Span root = spans.remove("SERVER " + path);
    assertThat(root).as(path).isNotNull();
    assertThat(root.parentId()).as(path).isEmpty();
    assertBegun(root);
    return root;
  }

  /** With the kernel's facts, and an account that adds up. */
  static void assertBegun(Span span) {
    String what = path(span) + " " + span.attributes();
    assertThat(span.text("underspan.level")).as(what).isEqualTo("kernel");
    assertThat(span.text("http.request.method")).as(what).isNotNull();
    assertThat(span.number("http.response.status_code")).as(what).isEqualTo(200);
    assertThat(span.number("underspan.queue.receive")).as(what).isPositive();
    Budget.assertAddsUp(span);
  }

  static void assertQuiet(AppUnderAgent app) throws Exception {
    assertThat(app.end()).isZero();
    assertThat(Files.readString(app.stderr)).doesNotContain("failed", "closed twice");
  }
}
