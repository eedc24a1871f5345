package dev.underspan.matrix;

import static dev.underspan.matrix.PathSpans.await;
import static dev.underspan.matrix.PathSpans.byPath;
import static dev.underspan.matrix.PathSpans.root;
import static dev.underspan.matrix.PathSpans.send;
import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.Jdks;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * HTTP/2 with large messages in both directions, many streams of one connection at once: single
 * writes carry the frames of many calls, hundreds of kilobytes, and no header is missed. The real
 * jar on real JVMs; root.
 */
class LargeWritesIT {
  private static final int REQUESTS = 307; // prime

  @TempDir static Path directory;
  private static TestKeys keys = new TestKeys(Path.of("unset"));

  @BeforeAll
  static void makeKeys() throws Exception {
    keys = TestKeys.make(directory);
  }

  private static AppUnderAgent app(Path home, String endpoint, String... command)
      throws IOException {
    return new AppUnderAgent.Builder(home, directory, endpoint)
        .agent("debug=true")
        .libraries()
        .jvm("-Xmx384m")
        .command(command)
        .start();
  }

  static Stream<Arguments> transports() throws IOException {
    return Jdks.homes().flatMap(home -> Stream.of(false, true).map(tls -> Arguments.of(home, tls)));
  }

  @ParameterizedTest
  @MethodSource("transports")
  void grpc(Path home, boolean tls) throws Exception {
    TraceStore store = new TraceStore();
    String main = GrpcApp.class.getName();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            tls
                ? app(home, receiver.endpoint(), main, keys.store().toString(), TestKeys.PASSWORD)
                : app(home, receiver.endpoint(), main)) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      send(app, "/go/big", REQUESTS, null);
      List<Span> received = await(store, 3 * REQUESTS);
      Map<String, Span> spans = byPath(received);
      Map<String, Span> calls = new HashMap<>();
      for (Span span : received) {
        if (span.text("rpc.method") != null) {
          String name = span.kind() + " " + span.text("rpc.method");
          assertThat(calls.put(name, span)).as(name).isNull();
        }
      }
      for (int n = 0; n < REQUESTS; n++) {
        String method = "test.Echo/big" + n;
        Span call = child(calls, "CLIENT " + method, root(spans, "/go/big" + n));
        child(calls, "SERVER " + method, call);
      }
      assertThat(spans).isEmpty();
      assertThat(calls).isEmpty();
      assertThat(received).hasSize(3 * REQUESTS);
      assertAllSeen(app);
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void netty(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(home, receiver.endpoint(), NettyHttp2App.class.getName())) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      send(app, "/go/big", REQUESTS, null);
      List<Span> received = await(store, 3 * REQUESTS);
      Map<String, Span> spans = byPath(received);
      for (int n = 0; n < REQUESTS; n++) {
        PathSpans.call(spans, root(spans, "/go/big" + n), "/big" + n);
      }
      assertThat(spans).isEmpty();
      assertThat(received).hasSize(3 * REQUESTS);
      assertAllSeen(app);
    }
  }

  private static Span child(Map<String, Span> calls, String name, Span parent) {
    Span span = calls.remove(name);
    assertThat(span).as(name).isNotNull();
    assertThat(span.parentId()).as("parent of " + name).isEqualTo(parent.spanId());
    assertThat(span.traceId()).isEqualTo(parent.traceId());
    assertThat(span.text("rpc.status_code")).as(name).isEqualTo("OK");
    return span;
  }

  private static void assertAllSeen(AppUnderAgent app) throws Exception {
    assertThat(app.end()).isZero();
    assertThat(Files.readString(app.stderr))
        .contains("underspan.instrumentation.failures=0", "underspan.scopes.misused=0")
        .contains("headerTablesLost=0", "headersUnknown=0", "truncatedMessages=0");
  }
}
