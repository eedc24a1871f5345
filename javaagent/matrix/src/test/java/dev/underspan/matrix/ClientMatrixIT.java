package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.Jdks;
import dev.underspan.bridge.wire.LocalServer;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.Trace;
import dev.underspan.demo.TraceStore;
import dev.underspan.sample.load.PostgresLauncher;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Client libraries against real servers, under the real jar, with many requests at once: each call
 * has its span, once, under the request that made it. That is told by a number that the application
 * itself puts into what it sends. Root.
 */
class ClientMatrixIT {
  private static final int REQUESTS = 307; // prime
  private static final int AT_ONCE = 100;
  private static final Duration QUIET = Duration.ofMillis(700);

  private static final Matrix MATRIX =
      new Matrix(
          List.of("Library", "Version", "Server"),
          Stream.of(Library.values())
              .map(library -> List.of(library.label, library.version(), library.server))
              .toList());

  private static LocalServer mariaDb;
  private static LocalServer redis;
  private static PostgresLauncher postgres;

  @TempDir static Path logs;
  @TempDir Path directory;

  /** A library and how its spans tell which request they are of. */
  private enum Library {
    POSTGRESQL("postgresql", "PostgreSQL JDBC driver", "PostgreSQL"),
    MARIADB("mariadb", "MariaDB Connector/J", "MariaDB"),
    MYSQL("mysql", "MySQL Connector/J", "MariaDB"),
    JEDIS("jedis", "Jedis", "Redis"),
    LETTUCE("lettuce", "Lettuce, one connection", "Redis"),
    GRPC("grpc", "gRPC on Netty, one connection", "gRPC"),
    JDK_HTTP("java.net.http", "`java.net.http`", "HTTP/1.1"),
    URL_CONNECTION("HttpURLConnection", "`HttpURLConnection`", "HTTP/1.1"),
    APACHE("httpclient5", "Apache HttpClient 5", "HTTP/1.1"),
    OKHTTP("okhttp", "OkHttp", "HTTP/1.1");

    final String path;
    final String label;
    final String server;

    Library(String path, String label, String server) {
      this.path = path;
      this.label = label;
      this.server = server;
    }

    /** As the build has it; the JDK's own have none. */
    String version() {
      return System.getProperty("underspan.matrix." + path, "");
    }

    /** Calls of a request. */
    int calls(int id) {
      return this == JEDIS || this == LETTUCE ? id % 5 + 1 : 1;
    }

    /** The server is an application under the agent, too, and goes on with the call's trace. */
    boolean isAnswered(Trace.Node call) {
      return switch (this) {
        case POSTGRESQL, MARIADB, MYSQL, JEDIS, LETTUCE -> call.children().isEmpty();
        default ->
            call.children().size() == 1 && call.children().get(0).span().kind() == Span.Kind.SERVER;
      };
    }

    boolean isOf(Span call, int id) {
      return switch (this) {
        case POSTGRESQL, MARIADB, MYSQL ->
            ("SELECT ? AS id_" + id).equals(call.text("db.query.text"));
        case JEDIS, LETTUCE -> "INCR".equals(call.text("db.operation.name"));
        case GRPC -> ("test.Echo/call" + id).equals(call.text("rpc.method"));
        default -> String.valueOf(call.text("url.full")).endsWith("/echo/" + id);
      };
    }
  }

  @BeforeAll
  static void start() throws Exception {
    mariaDb = LocalServer.mariaDb();
    redis = LocalServer.redis();
    postgres =
        PostgresLauncher.start(
            logs.resolve("postgres.log"), Duration.ofSeconds(60), Duration.ofSeconds(5));
  }

  @AfterAll
  static void compareWithDocs() throws IOException {
    MATRIX.compareWithDocs();
  }

  @AfterAll
  static void stop() throws Exception {
    for (AutoCloseable server : new AutoCloseable[] {mariaDb, redis, postgres}) {
      if (server != null) {
        server.close();
      }
    }
  }

  static Stream<List<String>> variants() throws Exception {
    List<Path> jdks = Jdks.homes().toList();
    List<List<String>> variants = new ArrayList<>();
    for (Path home : jdks) {
      variants.add(List.of(home.toString(), "platform"));
      if (home != jdks.get(0)) {
        variants.add(List.of(home.toString(), "virtual"));
      }
    }
    return variants.stream();
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everyCallIsUnderItsRequest(List<String> variant) throws Exception {
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
                    ClientsApp.class.getName(),
                    variant.get(1),
                    "postgresql=" + postgres.port(),
                    "mariadb=" + mariaDb.port,
                    "mysql=" + mariaDb.port,
                    "redis=" + redis.port)
                .start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      for (Library library : Library.values()) {
        // Classes that are loaded for the first time, and instrumented.
        assertThat(app.get("/" + library.path + "/1")).isEqualTo("ok");
      }
      store.settle(QUIET, Duration.ofSeconds(20));
      for (Library library : Library.values()) {
        store.clear();
        load(app, library);
        store.settle(QUIET, Duration.ofSeconds(20));
        Counts counts = Counts.of(store, library);
        MATRIX.add(library.label, column(variant), counts.toString());
        assertThat(counts)
            .as("%s, %s: %s", library.path, variant, app.errors())
            .isEqualTo(Counts.allRight(library));
      }
      assertThat(app.end()).isZero();
    }
  }

  static String column(List<String> variant) throws IOException {
    String release = Files.readString(Path.of(variant.get(0), "release"));
    String feature = release.replaceFirst("(?s).*JAVA_VERSION=\"([0-9]+).*", "$1");
    return "JDK " + feature + ", " + variant.get(1) + " threads";
  }

  /** Of the calls of all requests. */
  private record Counts(int requests, int right, int missing, int wrong) {
    @Override
    public String toString() {
      int all = right + missing;
      return right + " of " + all + (wrong == 0 ? "" : ", " + wrong + " wrong");
    }

    static Counts allRight(Library library) {
      int calls = 0;
      for (int id = 0; id < REQUESTS; id++) {
        calls += library.calls(id);
      }
      return new Counts(REQUESTS, calls, 0, 0);
    }

    static Counts of(TraceStore store, Library library) {
      int requests = 0;
      int right = 0;
      int missing = 0;
      int wrong = 0;
      for (Trace trace : store.traces()) {
        for (Trace.Node root : trace.roots()) {
          String path = String.valueOf(root.span().text("url.path"));
          if (!path.startsWith("/" + library.path + "/")) {
            wrong++; // without a parent, or of nobody
            continue;
          }
          requests++;
          int id = Integer.parseInt(path.substring(path.lastIndexOf('/') + 1));
          int mine = 0;
          for (Trace.Node call : root.children()) {
            if (call.span().kind() == Span.Kind.CLIENT
                && library.isOf(call.span(), id)
                && library.isAnswered(call)) {
              mine++;
            } else {
              wrong++;
            }
          }
          right += Math.min(mine, library.calls(id));
          missing += Math.max(0, library.calls(id) - mine);
          wrong += Math.max(0, mine - library.calls(id));
        }
      }
      return new Counts(requests, right, missing, wrong);
    }
  }

  private static void load(AppUnderAgent app, Library library) throws Exception {
    assertThat(NumberedRequests.send(app.port, "/" + library.path + "/", REQUESTS, AT_ONCE))
        .containsOnly("ok");
  }
}
