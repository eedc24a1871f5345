package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.Jdks;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Servers that no advice knows get their spans from what their sockets carry, and their threads the
 * context, so that calls have the right parent. The real jar on real JVMs; root.
 */
class SocketServerIT {
  private static final int REQUESTS = 211;
  private static final int SECURED = 53; // each with two handshakes

  @TempDir Path directory;

  private AppUnderAgent app(Path home, String endpoint, String... arguments) throws IOException {
    String[] command = new String[arguments.length + 1];
    command[0] = "dev.underspan.matrix.SocketServerApp";
    System.arraycopy(arguments, 0, command, 1, arguments.length);
    return new AppUnderAgent.Builder(home, directory, endpoint)
        .libraries()
        .jvm("-Xmx256m")
        .command(command)
        .start();
  }

  static Stream<Arguments> servers() throws IOException {
    return Jdks.homes()
        .flatMap(
            home ->
                Stream.of("pooled", "virtual", "selector", "nanohttpd", "undertow")
                    .filter(kind -> !kind.equals("virtual") || home.toString().contains("25"))
                    .map(kind -> Arguments.of(home, kind)));
  }

  @ParameterizedTest
  @MethodSource("servers")
  void callsHaveTheirParents(Path home, String kind) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, receiver.endpoint(), kind)) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      PathSpans.send(app, "/outer/", REQUESTS, null);
      List<Span> received = PathSpans.await(store, 3 * REQUESTS);
      Map<String, Span> spans = PathSpans.byPath(received);
      for (int n = 0; n < REQUESTS; n++) {
        PathSpans.assertCall(spans, PathSpans.root(spans, "/outer/" + n), "/inner/" + n);
      }
      assertThat(spans).isEmpty();
      assertThat(received).hasSize(3 * REQUESTS);
      PathSpans.assertQuiet(app);
    }
  }

  /** Bodies of each framing, a request with a body, and one that is not answered. */
  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void endsWithTheAnswer(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, receiver.endpoint(), "pooled")) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      PathSpans.send(app, "/chunked/", 5, null);
      PathSpans.send(app, "/long/", 5, "y".repeat(70_000));
      assertThat(exchange(app, "/until/0"))
          .startsWith("HTTP/1.1 203 OK")
          .hasSizeGreaterThan(300_000);
      assertThat(exchange(app, "/none/0")).isEmpty();
      Map<String, Span> spans = PathSpans.byPath(PathSpans.await(store, 12));
      for (int n = 0; n < 5; n++) {
        PathSpans.root(spans, "/chunked/" + n);
        PathSpans.root(spans, "/long/" + n);
      }
      Span until = spans.remove("SERVER /until/0");
      assertThat(until.number("http.response.status_code")).isEqualTo(203);
      assertThat(until.text("error.type")).isNull();
      Span none = spans.remove("SERVER /none/0");
      assertThat(none.text("error.type")).isEqualTo("connection_closed");
      assertThat(none.status().code()).isEqualTo(Span.StatusCode.ERROR);
      assertThat(spans).isEmpty();
      PathSpans.assertQuiet(app);
    }
  }

  static Stream<Arguments> securedServers() throws IOException {
    return Jdks.homes()
        .flatMap(
            home -> Stream.of("tls-sockets", "tls-engine").map(kind -> Arguments.of(home, kind)));
  }

  @ParameterizedTest
  @MethodSource("securedServers")
  void overTls(Path home, String kind) throws Exception {
    TestKeys keys = TestKeys.make(directory);
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            app(home, receiver.endpoint(), kind, keys.store().toString(), TestKeys.PASSWORD)) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      String base = "https://localhost:" + app.port;
      HttpClient.Builder client =
          HttpClient.newBuilder()
              .sslContext(TlsApp.context(keys.store(), TestKeys.PASSWORD.toCharArray()));
      PathSpans.send(client, base + "/outer/", SECURED, null);
      PathSpans.send(client, base + "/chunked/", 5, null);
      PathSpans.send(client, base + "/long/", 5, "y".repeat(70_000));
      List<Span> received = PathSpans.await(store, 3 * SECURED + 10);
      Map<String, Span> spans = PathSpans.byPath(received);
      for (int n = 0; n < SECURED; n++) {
        Span root = PathSpans.root(spans, "/outer/" + n);
        assertThat(root.text("url.scheme")).isEqualTo("https");
        assertThat(root.text("tls.protocol.version")).isEqualTo("1.3");
        PathSpans.assertCall(spans, root, "/inner/" + n);
      }
      for (int n = 0; n < 5; n++) {
        PathSpans.root(spans, "/chunked/" + n);
        PathSpans.root(spans, "/long/" + n);
      }
      assertThat(spans).isEmpty();
      assertThat(received).hasSize(3 * SECURED + 10);
      PathSpans.assertQuiet(app);
    }
  }

  /** All in one read: each has its span; which of them a thread works on is not told. */
  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void pipelined(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, receiver.endpoint(), "pooled")) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      AsyncIT.pipeline(app, "/pipe/", 31);
      AsyncIT.pipeline(app, "/outer/", 7);
      Map<String, Span> spans = PathSpans.byPath(PathSpans.await(store, 31 + 3 * 7));
      for (int n = 0; n < 31; n++) {
        PathSpans.root(spans, "/pipe/" + n);
      }
      for (int n = 0; n < 7; n++) {
        PathSpans.root(spans, "/outer/" + n);
        assertThat(spans.remove("CLIENT /inner/" + n).parentId()).isEmpty();
        PathSpans.root(spans, "/inner/" + n);
      }
      assertThat(spans).isEmpty();
      PathSpans.assertQuiet(app);
    }
  }

  /** Answers that have no body, or are more than one, or not the last of HTTP. */
  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void answersOfEachKind(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, receiver.endpoint(), "pooled")) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      try (Socket socket = new Socket(InetAddress.getByName("localhost"), app.port)) {
        socket.setSoTimeout(20_000);
        ask(socket, "GET /nothing/0", "", "204 Nothing\r\n\r\n");
        ask(socket, "GET /same/0", "", "Content-Length: 1000\r\n\r\n");
        ask(socket, "HEAD /head/0", "", "Content-Length: 1000\r\n\r\n");
        ask(socket, "GET /chunked/0", "", "\r\n0\r\n\r\n");
        ask(
            socket,
            "POST /continue/0",
            "Expect: 100-continue\r\nContent-Length: 3\r\n",
            "\r\n\r\n");
        socket.getOutputStream().write("abc".getBytes(StandardCharsets.US_ASCII));
        until(socket, "this is /continue/0");
        ask(socket, "GET /last/0", "", "this is /last/0");
        ask(socket, "GET /upgrade/0", "Upgrade: x\r\n", "Upgrade: x\r\n\r\n");
        socket.getOutputStream().write("GET /no HTTP/1.1".getBytes(StandardCharsets.US_ASCII));
        until(socket, "GET /no HTTP/1.1");
      }
      Map<String, Span> spans = PathSpans.byPath(PathSpans.await(store, 7));
      status(spans, "/nothing/0", 204);
      status(spans, "/same/0", 304);
      status(spans, "/head/0", 200);
      status(spans, "/chunked/0", 200);
      status(spans, "/continue/0", 200);
      status(spans, "/last/0", 200);
      status(spans, "/upgrade/0", 101);
      assertThat(spans).isEmpty();
      PathSpans.assertQuiet(app);
    }
  }

  private static void status(Map<String, Span> spans, String path, int status) {
    Span span = spans.remove("SERVER " + path);
    assertThat(span).as(path).isNotNull();
    assertThat(span.number("http.response.status_code")).as(path).isEqualTo(status);
    assertThat(span.text("error.type")).as(path).isNull();
  }

  private static void ask(Socket socket, String line, String headers, String end)
      throws IOException {
    String text = line + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
    socket.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
    until(socket, end);
  }

  private static void until(Socket socket, String end) throws IOException {
    StringBuilder answer = new StringBuilder();
    while (answer.length() < end.length()
        || !answer.substring(answer.length() - end.length()).equals(end)) {
      int b = socket.getInputStream().read();
      assertThat(b).as(answer.toString()).isNotNegative();
      answer.append((char) b);
    }
  }

  private static String exchange(AppUnderAgent app, String path) throws IOException {
    try (Socket socket = new Socket(InetAddress.getByName("localhost"), app.port)) {
      socket.setSoTimeout(20_000);
      String text = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
      socket.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
      return new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
    }
  }
}
