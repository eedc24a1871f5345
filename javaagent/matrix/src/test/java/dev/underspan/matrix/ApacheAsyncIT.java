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
 * Apache's asynchronous client, many requests at once: each call is under the request that its path
 * says, also one that is made where an answer comes. The real jar on real JVMs; root.
 */
class ApacheAsyncIT {
  @TempDir Path directory;

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void eachCallIsUnderItsRequest(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(home, directory, receiver.endpoint())
                .libraries()
                .jvm("-Xmx256m")
                .command(ApacheAsyncApp.class.getName())
                .start()) {
      assertTwoCallsEach(app, store, "/apache/");
    }
  }
}
