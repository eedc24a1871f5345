package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.bridge.wire.LocalServer;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Servers and clients on event loops, many requests at once: each span's parent is the one that the
 * number in its path says. The real jar on real JVMs; root.
 */
class AsyncIT {
  private static final int REQUESTS = 211; // prime
  private static final int IN_FLIGHT = 60;

  @TempDir Path directory;

  private AppUnderAgent app(Path home, String endpoint, String... command) throws IOException {
    return new AppUnderAgent.Builder(home, directory, endpoint)
        .libraries()
        .jvm("-Xmx256m")
        .command(command)
        .start();
  }

  // ---- load and spans ------------------------------------------------------------------------

  /** Sends them all, so many at once, over connections that are kept alive. */
  static void send(AppUnderAgent app, String path, int count, String body) throws Exception {
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
    for (int n = 0; n < count; n++) {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create("http://localhost:" + app.port + path + n));
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

  private static String path(Span span) {
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
    Span call = spans.remove("CLIENT " + path);
    assertThat(call).as("call of " + path).isNotNull();
    assertThat(call.parentId()).as("parent of the call of " + path).isEqualTo(parent.spanId());
    assertThat(call.traceId()).isEqualTo(parent.traceId());
    Span answer = spans.remove("SERVER " + path);
    assertThat(answer).as(path).isNotNull();
    assertThat(answer.parentId()).as("parent of " + path).isEqualTo(call.spanId());
    assertThat(answer.traceId()).isEqualTo(parent.traceId());
    assertBegun(answer);
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
    long sum = 0;
    for (Map.Entry<String, Object> attribute : span.attributes().entrySet()) {
      if (attribute.getKey().startsWith("underspan.time.")
          && !attribute.getKey().endsWith(".threads")) {
        sum += ((Number) attribute.getValue()).longValue();
      }
    }
    long duration = span.durationNanos();
    long threads = Math.max(1, span.number("underspan.time.threads"));
    long tolerance = Math.max(duration / 100, 100_000);
    assertThat(sum).as(what).isBetween(duration - tolerance, threads * duration + tolerance);
  }

  static void assertQuiet(AppUnderAgent app) throws Exception {
    assertThat(app.end()).isZero();
    assertThat(Files.readString(app.stderr)).doesNotContain("failed", "closed twice");
  }

  // ---- Netty ---------------------------------------------------------------------------------

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void nettyAsItself(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, receiver.endpoint(), "dev.underspan.matrix.NettyApp")) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      send(app, "/outer/", REQUESTS, null);
      pipeline(app, "/pipe/", 31);
      closed(app, "/close/0");
      List<Span> received = await(store, 3 * REQUESTS + 31 + 1);
      Map<String, Span> spans = byPath(received);
      for (int n = 0; n < REQUESTS; n++) {
        assertCall(spans, root(spans, "/outer/" + n), "/inner/" + n);
      }
      for (int n = 0; n < 31; n++) {
        root(spans, "/pipe/" + n);
      }
      Span closed = spans.remove("SERVER /close/0");
      assertThat(closed.text("error.type")).isEqualTo("java.nio.channels.ClosedChannelException");
      assertThat(closed.status().code()).isEqualTo(Span.StatusCode.ERROR);
      assertThat(spans).isEmpty();
      assertThat(received).hasSize(3 * REQUESTS + 31 + 1);
      assertQuiet(app);
    }
  }

  /** Requests behind each other on one connection, before any answer. */
  static void pipeline(AppUnderAgent app, String path, int count) throws IOException {
    try (Socket socket = new Socket(InetAddress.getByName("localhost"), app.port)) {
      socket.setSoTimeout(20_000);
      StringBuilder text = new StringBuilder();
      for (int n = 0; n < count; n++) {
        text.append("GET ").append(path).append(n).append(" HTTP/1.1\r\nHost: localhost\r\n\r\n");
      }
      socket.getOutputStream().write(text.toString().getBytes(StandardCharsets.US_ASCII));
      InputStream in = socket.getInputStream();
      StringBuilder answers = new StringBuilder();
      byte[] buffer = new byte[8192];
      while (answers.toString().split("HTTP/1.1 200", -1).length - 1 < count) {
        int read = in.read(buffer);
        assertThat(read).as(answers.toString()).isPositive();
        answers.append(new String(buffer, 0, read, StandardCharsets.US_ASCII));
      }
    }
  }

  private static void closed(AppUnderAgent app, String path) throws IOException {
    try (Socket socket = new Socket(InetAddress.getByName("localhost"), app.port)) {
      socket.setSoTimeout(20_000);
      String text = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
      socket.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
      assertThat(socket.getInputStream().read()).isEqualTo(-1);
    }
  }

  // ---- Reactor Netty, WebFlux, Lettuce -------------------------------------------------------

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void webFluxAndItsClients(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        LocalServer redis = LocalServer.redis()) {
      try (AppUnderAgent app =
          app(
              home,
              receiver.endpoint(),
              "dev.underspan.matrix.FluxApp",
              String.valueOf(redis.port))) {
        assertThat(app.level()).contains("level kernel: ledger and sockets");
        send(app, "/outer/", REQUESTS, null);
        List<Span> received = await(store, 6 * REQUESTS);
        Map<String, Span> spans = byPath(received);
        Map<String, List<Span>> redisByParent = new HashMap<>();
        for (Span span : received) {
          if ("redis".equals(span.text("db.system.name")) && !span.parentId().isEmpty()) {
            redisByParent.computeIfAbsent(span.parentId(), k -> new ArrayList<>()).add(span);
          }
        }
        for (int n = 0; n < REQUESTS; n++) {
          Span root = root(spans, "/outer/" + n);
          assertThat(root.text("http.route")).isEqualTo("/outer/{n}");
          assertThat(root.name()).isEqualTo("GET /outer/{n}");
          assertCall(spans, root, "/inner/" + n);
          assertCall(spans, root, "/last/" + n);
          List<Span> commands = redisByParent.remove(root.spanId());
          assertThat(commands).as("commands of " + n).hasSize(1);
          assertThat(commands.get(0).text("db.operation.name")).isEqualTo(FluxApp.command(n));
        }
        assertThat(spans).isEmpty();
        assertThat(redisByParent).isEmpty();

        // Bodies that come in pieces; pipelined requests, which Reactor Netty takes one by one.
        store.clear();
        send(app, "/body/", 53, "x".repeat(200_000));
        List<Span> bodies = await(store, 6 * REQUESTS + 3 * 53);
        spans = byPath(bodies);
        for (int n = 0; n < 53; n++) {
          assertCall(spans, root(spans, "/body/" + n), "/inner/" + n);
        }
        assertThat(spans).isEmpty();
        store.clear();
        pipeline(app, "/outer/", 31);
        spans = byPath(await(store, 6 * REQUESTS + 3 * 53 + 6 * 31));
        for (int n = 0; n < 31; n++) {
          Span root = root(spans, "/outer/" + n);
          assertCall(spans, root, "/inner/" + n);
          assertCall(spans, root, "/last/" + n);
        }
        assertThat(spans).isEmpty();
        assertQuiet(app);
      }
    }
  }

  // ---- OkHttp --------------------------------------------------------------------------------

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void okHttp(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, receiver.endpoint(), "dev.underspan.matrix.OkHttpApp")) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      send(app, "/outer/", REQUESTS, null);
      List<Span> received = await(store, 3 * REQUESTS);
      Map<String, Span> spans = byPath(received);
      for (int n = 0; n < REQUESTS; n++) {
        assertCall(spans, root(spans, "/outer/" + n), "/inner/" + n);
      }
      assertThat(spans).isEmpty();
      assertThat(received).hasSize(3 * REQUESTS);
      assertQuiet(app);
    }
  }

  // ---- gRPC ----------------------------------------------------------------------------------

  private static Span grpc(
      Map<String, Span> calls, Span.Kind kind, String method, Span parent, String status) {
    Span span = calls.remove(kind + " test.Echo/" + method);
    assertThat(span).as(kind + " " + method).isNotNull();
    assertThat(span.parentId()).as("parent of " + kind + " " + method).isEqualTo(parent.spanId());
    assertThat(span.traceId()).isEqualTo(parent.traceId());
    assertThat(span.name()).isEqualTo("test.Echo/" + method);
    assertThat(span.text("rpc.system.name")).isEqualTo("grpc");
    assertThat(span.text("rpc.status_code")).as(method).isEqualTo(status);
    return span;
  }

  private static void call(Map<String, Span> calls, String method, Span parent, String status) {
    Span client = grpc(calls, Span.Kind.CLIENT, method, parent, status);
    grpc(calls, Span.Kind.SERVER, method, client, status);
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void grpcOnBothSides(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, receiver.endpoint(), "dev.underspan.matrix.GrpcApp")) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      send(app, "/go/outer", REQUESTS, null);
      send(app, "/go/fail", 1, null);
      send(app, "/go/none", 1, null);
      int expected = 7 * REQUESTS + 3 + 3;
      List<Span> received = await(store, expected);
      Map<String, Span> spans = byPath(received);
      Map<String, Span> calls = new HashMap<>();
      for (Span span : received) {
        if (span.text("rpc.method") != null) {
          String name = span.kind() + " " + span.text("rpc.method");
          assertThat(calls.put(name, span)).as(name).isNull();
        }
      }
      for (int n = 0; n < REQUESTS; n++) {
        Span root = root(spans, "/go/outer" + n);
        Span client = grpc(calls, Span.Kind.CLIENT, "outer" + n, root, "OK");
        Span outer = grpc(calls, Span.Kind.SERVER, "outer" + n, client, "OK");
        call(calls, "inner" + n, outer, "OK");
        call(calls, "last" + n, outer, "OK");
      }
      call(calls, "fail0", root(spans, "/go/fail0"), "INTERNAL");
      call(calls, "none0", root(spans, "/go/none0"), "UNIMPLEMENTED");
      assertThat(spans).isEmpty();
      assertThat(calls).isEmpty();
      assertThat(received).hasSize(expected);
      assertQuiet(app);
    }
  }
}
