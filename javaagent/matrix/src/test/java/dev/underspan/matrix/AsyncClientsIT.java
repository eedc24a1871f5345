package dev.underspan.matrix;

import static dev.underspan.matrix.PathSpans.REQUESTS;
import static dev.underspan.matrix.PathSpans.assertCall;
import static dev.underspan.matrix.PathSpans.assertQuiet;
import static dev.underspan.matrix.PathSpans.byPath;
import static dev.underspan.matrix.PathSpans.root;
import static dev.underspan.matrix.PathSpans.send;
import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import dev.underspan.sample.load.PostgresLauncher;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Clients with threads of their own, many requests at once: each call is under the request that its
 * name says, also one that is made where an answer comes. The real jar on real JVMs; root.
 */
class AsyncClientsIT {
  @TempDir static Path logs;
  @TempDir Path directory;

  private static PostgresLauncher postgres;

  @BeforeAll
  static void start() throws Exception {
    postgres =
        PostgresLauncher.start(
            logs.resolve("postgres.log"), Duration.ofSeconds(60), Duration.ofSeconds(5));
  }

  @AfterAll
  static void stop() throws Exception {
    if (postgres != null) {
      postgres.close();
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void eachCallIsUnderItsRequest(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(home, directory, receiver.endpoint())
                .libraries()
                .jvm("-Xmx256m")
                .command(AsyncClientsApp.class.getName(), String.valueOf(postgres.port()))
                .start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      send(app, "/apache/", REQUESTS, null);
      Map<String, Span> spans = byPath(settled(store));
      for (int n = 0; n < REQUESTS; n++) {
        Span root = root(spans, "/apache/" + n);
        assertCall(spans, root, "/inner/" + n);
        assertCall(spans, root, "/last/" + n);
      }
      assertThat(spans).isEmpty();

      store.clear();
      send(app, "/r2dbc/", REQUESTS, null);
      List<Span> received = settled(store);
      spans = byPath(received);
      Map<String, Span> statements = new HashMap<>();
      for (Span span : received) {
        if (span.text("db.query.text") != null && !span.parentId().isEmpty()) {
          assertThat(statements.put(span.text("db.query.text"), span)).isNull();
        }
      }
      for (int n = 0; n < REQUESTS; n++) {
        Span root = root(spans, "/r2dbc/" + n);
        assertStatement(statements, root, "inner_" + n);
        assertStatement(statements, root, "last_" + n);
      }
      assertThat(spans).isEmpty();
      assertThat(statements).isEmpty();
      assertQuiet(app);
    }
  }

  /** How many there are is not known: the driver asks for itself, too, when it connects. */
  private static List<Span> settled(TraceStore store) throws InterruptedException {
    store.settle(Duration.ofMillis(900), Duration.ofSeconds(20));
    return store.spans();
  }

  private static void assertStatement(Map<String, Span> statements, Span parent, String column) {
    Span statement = statements.remove("SELECT $1::text AS " + column);
    assertThat(statement).as(column).isNotNull();
    assertThat(statement.parentId()).as("parent of " + column).isEqualTo(parent.spanId());
    assertThat(statement.text("db.system.name")).isEqualTo("postgresql");
  }
}
