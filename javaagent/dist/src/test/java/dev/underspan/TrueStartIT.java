package dev.underspan;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * When a request really began: the process is stopped by a signal while the request arrives, so
 * that it lies in the kernel for a known time. Root.
 */
class TrueStartIT {
  private static final double MS = 1e6;
  private static final int STOPPED_MS = 200;

  @TempDir Path directory;

  private static void signal(AppUnderAgent app, String name) throws Exception {
    Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(app.process.pid())).start();
    assertThat(kill.waitFor()).isZero();
  }

  private static long wallNanos() {
    Instant now = Instant.now();
    return now.getEpochSecond() * 1_000_000_000L + now.getNano();
  }

  private static byte[] requests(String... paths) {
    StringBuilder text = new StringBuilder();
    for (String path : paths) {
      text.append("GET ").append(path).append(" HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    return text.toString().getBytes(StandardCharsets.US_ASCII);
  }

  /** Reads answers of this application: their bodies are digits. */
  private static void readAnswers(Socket socket, int count) throws IOException {
    InputStream in = socket.getInputStream();
    StringBuilder text = new StringBuilder();
    while (text.toString().split("HTTP/1.1 200", -1).length - 1 < count
        || !text.toString().matches("(?s).*\r\n\r\n\\d+$")) {
      int next = in.read();
      assertThat(next).as(text.toString()).isNotNegative();
      text.append((char) next);
    }
  }

  private static Map<String, Span> spans(TraceStore store, int count) throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    Map<String, Span> spans = new HashMap<>();
    while (spans.size() < count && System.nanoTime() < deadline) {
      Thread.sleep(50);
      store
          .traces()
          .forEach(trace -> trace.spans().forEach(span -> spans.put(span.text("url.path"), span)));
    }
    assertThat(spans).hasSize(count);
    return spans;
  }

  private static double millis(Span span, String attribute) {
    Object value = span.attributes().get(attribute);
    return value == null ? 0 : ((Number) value).longValue() / MS;
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.RealJarIT#jdks")
  void aSpanBeginsWhenItsFirstByteArrived(Path home) throws Exception {
    TraceStore store = new TraceStore();
    Map<String, Long> sent = new HashMap<>();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(home, directory, receiver.endpoint())
                .command("dev.underspan.testapp.BudgetApp", "platform")
                .start()) {
      assertThat(app.level()).contains("level kernel");
      app.get("/cpu/warm");

      // The connection is established while nobody accepts; the request comes 100 ms later.
      signal(app, "STOP");
      try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), app.port)) {
        socket.setSoTimeout(20_000);
        socket.setTcpNoDelay(true);
        Thread.sleep(100);
        sent.put("/sleep/first", wallNanos());
        socket.getOutputStream().write(requests("/sleep/first"));
        Thread.sleep(STOPPED_MS);
        signal(app, "CONT");
        readAnswers(socket, 1);

        // The same on the connection that is now kept alive.
        for (int i = 0; i < 3; i++) {
          String path = "/sleep/kept" + i;
          signal(app, "STOP");
          sent.put(path, wallNanos());
          socket.getOutputStream().write(requests(path));
          Thread.sleep(STOPPED_MS);
          signal(app, "CONT");
          readAnswers(socket, 1);
        }

        // Two at once: the second lies behind the first.
        signal(app, "STOP");
        sent.put("/sleep/front", wallNanos());
        sent.put("/sleep/behind", wallNanos());
        socket.getOutputStream().write(requests("/sleep/front", "/sleep/behind"));
        Thread.sleep(STOPPED_MS);
        signal(app, "CONT");
        readAnswers(socket, 2);
      }
      Map<String, Span> spans = spans(store, 7);
      sent.forEach(
          (path, at) -> {
            Span span = spans.get(path);
            assertThat((span.startNanos() - at) / MS)
                .as("start of %s: %s", path, span.attributes())
                .isBetween(-1.0, 20.0);
            assertThat(millis(span, "underspan.queue.receive"))
                .as("%s: %s", path, span.attributes())
                .isBetween(STOPPED_MS - 25.0, STOPPED_MS + 300.0);
            assertThat(millis(span, "underspan.time.idle"))
                .isGreaterThanOrEqualTo(millis(span, "underspan.queue.receive"));
            assertThat(millis(span, "underspan.queue.accept"))
                .as("%s: %s", path, span.attributes())
                .isBetween(
                    path.endsWith("first") ? STOPPED_MS + 75.0 : 0,
                    path.endsWith("first") ? STOPPED_MS + 400.0 : 0);
          });
      // It waited for the first one's 80 ms as well.
      double behind = millis(spans.get("/sleep/behind"), "underspan.time.idle");
      assertThat(behind).isGreaterThan(STOPPED_MS + 75.0);
      assertThat(app.end()).isZero();
    }
  }
}
