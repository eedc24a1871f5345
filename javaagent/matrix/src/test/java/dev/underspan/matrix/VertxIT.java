package dev.underspan.matrix;

import static dev.underspan.matrix.PathSpans.assertTwoCallsEach;

import dev.underspan.AppUnderAgent;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.TraceStore;
import java.nio.file.Path;
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
      assertTwoCallsEach(app, store, "/outer/");
    }
  }
}
