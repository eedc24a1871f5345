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
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
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
  private static final long MS = 1_000_000;
  private static final long STOPPED_MS = 200;

  /** What the application does with a request of this test. */
  private static final long SLEPT_MS = 80;

  /** How far the clocks of two processes may be from each other: one is renewed now and then. */
  private static final long CLOCKS = 2 * MS;

  @TempDir Path directory;

  /** A request on its way: moments by the wall clock, nanoseconds. */
  private record Sent(long before, long after) {
    static Sent write(Socket socket, String... paths) throws IOException {
      long before = wallNanos();
      socket.getOutputStream().write(requests(paths));
      return new Sent(before, wallNanos());
    }
  }

  private static void signal(AppUnderAgent app, String name) throws Exception {
    Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(app.process.pid())).start();
    assertThat(kill.waitFor()).isZero();
  }

  /** Returns when every thread stands still: on a busy machine that takes a while. */
  private static void stop(AppUnderAgent app) throws Exception {
    signal(app, "STOP");
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (!allStopped(app)) {
      assertThat(System.nanoTime()).isLessThan(deadline);
      Thread.sleep(1);
    }
  }

  private static boolean allStopped(AppUnderAgent app) throws IOException {
    Path tasks = Path.of("/proc/" + app.process.pid() + "/task");
    try (DirectoryStream<Path> threads = Files.newDirectoryStream(tasks)) {
      for (Path thread : threads) {
        String stat = Files.readString(thread.resolve("stat"));
        if (stat.charAt(stat.lastIndexOf(')') + 2) != 'T') {
          return false;
        }
      }
    }
    return true;
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

  private static long nanos(Span span, String attribute) {
    Object value = span.attributes().get(attribute);
    return value == null ? 0 : ((Number) value).longValue();
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void aSpanBeginsWhenItsFirstByteArrived(Path home) throws Exception {
    TraceStore store = new TraceStore();
    Map<String, Sent> sent = new HashMap<>();
    Map<String, Long> answered = new HashMap<>();
    long connecting;
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(home, directory, receiver.endpoint())
                .command("dev.underspan.testapp.BudgetApp", "platform")
                .start()) {
      assertThat(app.level()).contains("level kernel");
      app.get("/cpu/warm");

      // The connection is established while nobody accepts; the request comes 100 ms later.
      stop(app);
      connecting = wallNanos();
      try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), app.port)) {
        socket.setSoTimeout(20_000);
        socket.setTcpNoDelay(true);
        Thread.sleep(100);
        sent.put("/sleep/first", Sent.write(socket, "/sleep/first"));
        Thread.sleep(STOPPED_MS);
        signal(app, "CONT");
        readAnswers(socket, 1);
        answered.put("/sleep/first", wallNanos());

        // The same on the connection that is now kept alive.
        for (int i = 0; i < 3; i++) {
          String path = "/sleep/kept" + i;
          stop(app);
          sent.put(path, Sent.write(socket, path));
          Thread.sleep(STOPPED_MS);
          signal(app, "CONT");
          readAnswers(socket, 1);
          answered.put(path, wallNanos());
        }

        // Two at once: the second lies behind the first.
        stop(app);
        Sent both = Sent.write(socket, "/sleep/front", "/sleep/behind");
        Thread.sleep(STOPPED_MS);
        signal(app, "CONT");
        readAnswers(socket, 2);
        for (String path : List.of("/sleep/front", "/sleep/behind")) {
          sent.put(path, both);
          answered.put(path, wallNanos());
        }
      }
      Map<String, Span> spans = spans(store, 7);
      long begun = connecting;
      sent.forEach(
          (path, at) -> {
            Span span = spans.get(path);
            long end = answered.get(path);
            String what = path + ": " + span.attributes();
            assertThat(span.startNanos()).as(what).isBetween(at.before - CLOCKS, at.after + CLOCKS);
            // The application slept, too, before it answered.
            assertThat(nanos(span, "underspan.queue.receive"))
                .as(what)
                .isBetween(STOPPED_MS * MS - CLOCKS, end - at.before - SLEPT_MS * MS + CLOCKS);
            assertThat(nanos(span, "underspan.time.idle"))
                .isGreaterThanOrEqualTo(nanos(span, "underspan.queue.receive"));
            if (path.endsWith("first")) {
              assertThat(nanos(span, "underspan.queue.accept"))
                  .as(what)
                  .isBetween((100 + STOPPED_MS) * MS - CLOCKS, end - begun + CLOCKS);
            } else {
              assertThat(nanos(span, "underspan.queue.accept")).as(what).isZero();
            }
          });
      // It waited for the first one's 80 ms as well.
      long behind = nanos(spans.get("/sleep/behind"), "underspan.time.idle");
      assertThat(behind).isGreaterThan((STOPPED_MS + SLEPT_MS) * MS - CLOCKS);
      assertThat(app.end()).isZero();
    }
  }
}
