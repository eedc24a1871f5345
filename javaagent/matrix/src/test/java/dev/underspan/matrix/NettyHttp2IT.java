package dev.underspan.matrix;

import static dev.underspan.matrix.PathSpans.REQUESTS;
import static dev.underspan.matrix.PathSpans.assertQuiet;
import static dev.underspan.matrix.PathSpans.await;
import static dev.underspan.matrix.PathSpans.byPath;
import static dev.underspan.matrix.PathSpans.call;
import static dev.underspan.matrix.PathSpans.root;
import static dev.underspan.matrix.PathSpans.send;
import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * HTTP/2 on Netty, both sides, many streams of one connection at once: each span's parent is the
 * one that the number in its path says. The real jar on real JVMs; root.
 */
class NettyHttp2IT {
  @TempDir Path directory;

  private AppUnderAgent app(Path home, String endpoint, String main) throws IOException {
    return new AppUnderAgent.Builder(home, directory, endpoint)
        .libraries()
        .jvm("-Xmx256m")
        .command(main)
        .start();
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void aChannelForEachStream(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, receiver.endpoint(), "dev.underspan.matrix.NettyHttp2App")) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      send(app, "/go/outer", REQUESTS, null);
      List<Span> received = await(store, 5 * REQUESTS);
      Map<String, Span> spans = byPath(received);
      for (int n = 0; n < REQUESTS; n++) {
        Span outer = stream(spans, root(spans, "/go/outer" + n), "/outer" + n);
        stream(spans, outer, "/inner" + n);
      }
      assertThat(spans).isEmpty();
      assertThat(received).hasSize(5 * REQUESTS);
      send(app, "/go/reset", 1, null);
      Span reset = byPath(await(store, 5 * REQUESTS + 3)).get("SERVER /reset0");
      assertThat(reset.text("error.type")).isEqualTo("java.nio.channels.ClosedChannelException");
      assertThat(reset.status().code()).isEqualTo(Span.StatusCode.ERROR);
      assertQuiet(app);
    }
  }

  private static Span stream(Map<String, Span> spans, Span parent, String path) {
    Span answer = call(spans, parent, path);
    assertThat(answer.text("network.protocol.version")).isEqualTo("2");
    assertThat(answer.number("http.response.status_code")).isEqualTo(200);
    assertThat(answer.text("underspan.level")).isEqualTo("kernel");
    return answer;
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void webFlux(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, receiver.endpoint(), "dev.underspan.matrix.FluxHttp2App")) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      send(app, "/outer/", REQUESTS, null);
      List<Span> received = await(store, 5 * REQUESTS);
      Map<String, Span> spans = byPath(received);
      for (int n = 0; n < REQUESTS; n++) {
        Span middle = stream(spans, root(spans, "/outer/" + n), "/middle/" + n);
        assertThat(middle.text("http.route")).isEqualTo("/middle/{n}");
        assertThat(middle.name()).isEqualTo("POST /middle/{n}");
        stream(spans, middle, "/inner/" + n);
      }
      assertThat(spans).isEmpty();
      assertThat(received).hasSize(5 * REQUESTS);
      assertQuiet(app);
    }
  }
}
