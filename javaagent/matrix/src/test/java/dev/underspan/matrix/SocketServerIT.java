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

  @TempDir Path directory;

  private AppUnderAgent app(Path home, String endpoint, String kind) throws IOException {
    return new AppUnderAgent.Builder(home, directory, endpoint)
        .libraries()
        .jvm("-Xmx256m")
        .command("dev.underspan.matrix.SocketServerApp", kind)
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

  private static String exchange(AppUnderAgent app, String path) throws IOException {
    try (Socket socket = new Socket(InetAddress.getByName("localhost"), app.port)) {
      socket.setSoTimeout(20_000);
      String text = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
      socket.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
      return new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
    }
  }
}
