package dev.underspan.matrix;

import static dev.underspan.matrix.PathSpans.REQUESTS;
import static dev.underspan.matrix.PathSpans.assertCall;
import static dev.underspan.matrix.PathSpans.assertQuiet;
import static dev.underspan.matrix.PathSpans.await;
import static dev.underspan.matrix.PathSpans.byPath;
import static dev.underspan.matrix.PathSpans.root;
import static dev.underspan.matrix.PathSpans.send;
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
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Servers and clients on event loops, many requests at once: each span's parent is the one that the
 * number in its path says. The real jar on real JVMs; root.
 */
class AsyncIT {

  @TempDir Path directory;

  private AppUnderAgent app(Path home, String endpoint, String... command) throws IOException {
    return new AppUnderAgent.Builder(home, directory, endpoint)
        .libraries()
        .jvm("-Xmx256m")
        .command(command)
        .start();
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
