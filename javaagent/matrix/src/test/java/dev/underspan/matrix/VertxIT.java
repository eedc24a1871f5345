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
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Vert.x, both sides, many requests at once: each span's parent is the one that the number in its
 * path says. The real jar on real JVMs; root.
 */
class VertxIT {
  @TempDir Path directory;

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void serverAndWebClient(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(home, directory, receiver.endpoint())
                .libraries()
                .jvm("-Xmx256m")
                .command(VertxApp.class.getName())
                .start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      send(app, "/outer/", REQUESTS, null);
      List<Span> received = await(store, 5 * REQUESTS);
      Map<String, Span> spans = byPath(received);
      for (int n = 0; n < REQUESTS; n++) {
        Span root = root(spans, "/outer/" + n);
        assertCall(spans, root, "/inner/" + n);
        assertCall(spans, root, "/last/" + n);
      }
      assertThat(spans).isEmpty();
      assertThat(received).hasSize(5 * REQUESTS);
      assertQuiet(app);
    }
  }
}
