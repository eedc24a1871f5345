package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.bridge.wire.LocalServer;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.Trace;
import dev.underspan.demo.TraceStore;
import dev.underspan.sample.load.PostgresLauncher;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * R2DBC against real databases, under the real jar, with many requests at once on few connections:
 * each statement has its span, once, under the request that asked for it, as the number in the
 * statement says. Root.
 */
class R2dbcIT {
  private static final int REQUESTS = 307; // prime
  private static final int AT_ONCE = 100;

  /**
   * Of those that share one connection: a thread that was kept from its processor finds all answers
   * in one read, of which 8 KiB are captured; a MariaDB answer with its definitions is 200 bytes.
   */
  private static final int AT_ONCE_ON_ONE = 30;

  private static final Duration QUIET = Duration.ofMillis(700);

  private static final Matrix MATRIX =
      new Matrix(
          "r2dbc",
          List.of("Library", "Version", "Server"),
          Stream.of(Way.values()).map(Way::row).toList());

  private static PostgresLauncher postgres;
  private static LocalServer mariaDb;

  @TempDir static Path logs;
  @TempDir Path directory;

  /** How the application asks. */
  private enum Way {
    POOL("postgresql/pool", false, "r2dbc-pool"),
    POOL_ON_LOOPS("postgresql/pool", true, "r2dbc-pool, requests on event loops"),
    TRANSACTION("postgresql/transaction", true, "r2dbc-pool, a transaction, event loops"),
    CURSOR("postgresql/cursor", true, "r2dbc-pool, rows by two, event loops"),
    ELSEWHERE("postgresql/elsewhere", true, "r2dbc-pool, a change of threads, event loops"),
    PASSED("postgresql/passed", false, "connections passed on without a pool"),
    ONE("postgresql/one", false, "one connection for all"),
    ONE_ON_LOOPS("postgresql/one", true, "one connection for all, event loops"),
    PREPARED("postgresql/prepared", true, "one connection for all, parameters, event loops"),
    MARIA_POOL("mariadb/pool", false, "r2dbc-pool"),
    MARIA_TRANSACTION("mariadb/transaction", true, "r2dbc-pool, a transaction, event loops"),
    MARIA_PASSED("mariadb/passed", false, "connections passed on without a pool"),
    MARIA_ONE("mariadb/one", true, "one connection for all, event loops"),
    MARIA_PREPARED("mariadb/prepared", true, "one connection for all, parameters, event loops");

    final String path;
    final boolean loops;
    final String label;

    Way(String path, boolean loops, String label) {
      this.path = "/" + path + "/";
      this.loops = loops;
      this.label = "R2DBC " + server() + ": " + label;
    }

    String server() {
      return path.startsWith("/mariadb/") ? "MariaDB" : "PostgreSQL";
    }

    boolean shared() {
      return path.endsWith("/one/") || path.endsWith("/prepared/");
    }

    List<String> row() {
      String name = "underspan.matrix.r2dbc-" + server().toLowerCase(Locale.ROOT);
      return List.of(label, System.getProperty(name, ""), server());
    }

    /** What a request asks, as it is told. */
    List<String> statements(int id) {
      String select =
          switch (this) {
            case PREPARED -> "SELECT $1::text AS ";
            case CURSOR -> "SELECT generate_series(?, $1::int) AS ";
            default -> "SELECT ? AS ";
          };
      List<String> statements = new ArrayList<>();
      for (int i = 0; i < (this == CURSOR ? 3 : 1); i++) { // asked thrice for the rows
        statements.add(select + "first_" + id);
        statements.add(select + "last_" + id);
      }
      if (this == TRANSACTION || this == MARIA_TRANSACTION) {
        statements.add("BEGIN");
        statements.add("COMMIT");
      }
      return statements;
    }
  }

  @BeforeAll
  static void start() throws Exception {
    mariaDb = LocalServer.mariaDb();
    postgres =
        PostgresLauncher.start(
            logs.resolve("postgres.log"), Duration.ofSeconds(60), Duration.ofSeconds(5));
  }

  @AfterAll
  static void stop() throws Exception {
    for (AutoCloseable server : new AutoCloseable[] {mariaDb, postgres}) {
      if (server != null) {
        server.close();
      }
    }
  }

  @AfterAll
  static void compareWithDocs() throws IOException {
    MATRIX.compareWithDocs();
  }

  static Stream<List<String>> variants() throws Exception {
    return ClientMatrixIT.variants();
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everyStatementIsUnderItsRequest(List<String> variant) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            new AppUnderAgent.Builder(Path.of(variant.get(0)), directory, receiver.endpoint())
                .jvm(
                    "-Xmx384m",
                    // It would end some of ours just as they are used again.
                    "-Dsun.net.httpserver.maxIdleConnections=1000",
                    "-Dsun.net.httpserver.idleInterval=300")
                .libraries()
                .command(
                    R2dbcApp.class.getName(),
                    variant.get(1),
                    String.valueOf(postgres.port()),
                    String.valueOf(mariaDb.port))
                .start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      int loops = Integer.parseInt(app.get("/app/loops/0"));
      store.settle(QUIET, Duration.ofSeconds(20));
      List<String> wrong = new ArrayList<>();
      for (Way way : Way.values()) {
        store.clear();
        load(way.loops ? loops : app.port, way);
        store.settle(QUIET, Duration.ofSeconds(20));
        Counts counts = new Counts(way);
        store.traces().forEach(counts::add);
        MATRIX.add(way.label, ClientMatrixIT.column(variant), counts.toString());
        wrong.addAll(counts.wrong);
      }
      assertThat(wrong).as("%s: %s", variant, app.errors()).isEmpty();
      assertThat(app.end()).isZero();
      assertThat(app.errors()).doesNotContain("failed", "closed twice");
    }
  }

  private static void load(int port, Way way) throws Exception {
    int atOnce = way.shared() ? AT_ONCE_ON_ONE : AT_ONCE;
    assertThat(NumberedRequests.send(port, way.path, REQUESTS, atOnce))
        .hasSize(REQUESTS)
        .noneMatch(body -> body.contains("Exception"));
  }

  /** Of the statements of all requests of one way. */
  private static final class Counts {
    private final Way way;
    private final List<String> wrong = new ArrayList<>();
    private final int all;
    private int right;

    Counts(Way way) {
      this.way = way;
      this.all = REQUESTS * way.statements(0).size();
    }

    void add(Trace trace) {
      for (Trace.Node root : trace.roots()) {
        String path = String.valueOf(root.span().text("url.path"));
        if (!path.startsWith(way.path)) {
          wrong.add(way + ": of no request: " + describe(root.span()));
          continue;
        }
        int id = Integer.parseInt(path.substring(path.lastIndexOf('/') + 1));
        List<String> expected = way.statements(id);
        for (Trace.Node call : root.children()) {
          String text = call.span().text("db.query.text");
          if (call.span().kind() == Span.Kind.CLIENT && expected.remove(text)) {
            right++;
          } else {
            wrong.add(way + ": under " + path + ": " + describe(call.span()));
          }
        }
        for (String text : expected) {
          wrong.add(way + ": missing under " + path + ": " + text);
        }
      }
    }

    private static String describe(Span span) {
      return span.kind() + " " + span.name() + " " + span.text("db.query.text");
    }

    @Override
    public String toString() {
      return right + " of " + all + (wrong.isEmpty() ? "" : ", " + wrong.size() + " wrong");
    }
  }
}
