package dev.underspan.matrix;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.r2dbc.pool.ConnectionPool;
import io.r2dbc.pool.ConnectionPoolConfiguration;
import io.r2dbc.postgresql.PostgresqlConnectionConfiguration;
import io.r2dbc.postgresql.PostgresqlConnectionFactory;
import io.r2dbc.spi.Connection;
import io.r2dbc.spi.ConnectionFactory;
import io.r2dbc.spi.Statement;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.IntFunction;
import org.mariadb.r2dbc.MariadbConnectionConfiguration;
import org.mariadb.r2dbc.MariadbConnectionFactory;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;
import reactor.netty.DisposableServer;

/**
 * An application that asks a database by R2DBC. A path /database/way/N asks for columns named
 * first_N and last_N, in one of some ways; over fewer connections than there are requests.
 * Arguments: platform or virtual threads, the ports of PostgreSQL and MariaDB. Prints "port P";
 * ends with its standard input. The path /app/loops/0 tells the port of another server, whose
 * requests are handled on event loops.
 */
public final class R2dbcApp {
  /** So many connections that most requests must wait for one. */
  private static final int CONNECTIONS = 7;

  private final Map<String, IntFunction<Mono<?>>> ways = new TreeMap<>();

  private R2dbcApp() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    R2dbcApp app = new R2dbcApp();
    app.prepare(
        "postgresql",
        new PostgresqlConnectionFactory(
            PostgresqlConnectionConfiguration.builder()
                .host("127.0.0.1")
                .port(Integer.parseInt(args[1]))
                .username("postgres")
                .database("postgres")
                .build()),
        "SELECT $1::text AS ");
    app.prepare(
        "mariadb",
        new MariadbConnectionFactory(
            MariadbConnectionConfiguration.builder()
                .host("127.0.0.1")
                .port(Integer.parseInt(args[2]))
                .username("root")
                .useServerPrepStmts(true)
                .build()),
        "SELECT ? AS ");
    DisposableServer loops =
        reactor.netty.http.server.HttpServer.create()
            .host("127.0.0.1")
            .port(0)
            .handle(
                (request, response) ->
                    response.sendString(app.answer(request.uri()).map(String::valueOf)))
            .bindNow();
    app.ways.put("/app/loops/", id -> Mono.just(loops.port()));
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 1000);
    server.createContext("/", app::handle);
    server.setExecutor(
        args[0].equals("virtual") ? VirtualThreads.executor() : Executors.newFixedThreadPool(64));
    server.start();
    System.out.println("port " + server.getAddress().getPort());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    Runtime.getRuntime().halt(0);
  }

  private Mono<?> answer(String path) {
    int end = path.lastIndexOf('/') + 1;
    return ways.get(path.substring(0, end)).apply(Integer.parseInt(path.substring(end)));
  }

  private void handle(HttpExchange exchange) throws IOException {
    int status = 200;
    String text;
    try {
      text = String.valueOf(answer(exchange.getRequestURI().getPath()).block());
    } catch (RuntimeException e) {
      status = 500;
      text = String.valueOf(e);
    }
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  private interface Ask {
    Mono<?> ask(Connection connection, String column);
  }

  private void prepare(String database, ConnectionFactory factory, String prepared) {
    String path = "/" + database + "/";
    ConnectionPool pool =
        new ConnectionPool(
            ConnectionPoolConfiguration.builder(factory)
                .initialSize(CONNECTIONS)
                .maxSize(CONNECTIONS)
                .build());
    pool.warmup().block();
    ways.put(
        path + "pool/", id -> pooled(pool, connection -> both(connection, id, R2dbcApp::simple)));
    ways.put(
        path + "transaction/",
        id ->
            pooled(
                pool,
                connection ->
                    Mono.from(connection.beginTransaction())
                        .then(both(connection, id, R2dbcApp::simple))
                        .flatMap(
                            text -> Mono.from(connection.commitTransaction()).thenReturn(text))));
    ways.put(
        path + "cursor/", id -> pooled(pool, connection -> both(connection, id, R2dbcApp::rows)));
    // Back and forth between threads, as an application does it.
    ways.put(
        path + "elsewhere/",
        id ->
            pooled(
                pool,
                connection ->
                    simple(connection, "first_" + id)
                        .publishOn(Schedulers.parallel())
                        .flatMap(text -> simple(connection, "last_" + id))));
    BlockingQueue<Connection> idle = new LinkedBlockingQueue<>();
    List<Connection> connections = new ArrayList<>();
    for (int i = 0; i < CONNECTIONS + 2; i++) {
      connections.add(Mono.from(factory.create()).block());
    }
    idle.addAll(connections.subList(2, connections.size()));
    ways.put(
        path + "passed/",
        id -> {
          Connection connection = take(idle);
          return both(connection, id, R2dbcApp::simple).doFinally(end -> idle.add(connection));
        });
    // All requests over one connection, none of which waits for another's answer.
    ways.put(path + "one/", id -> both(connections.get(0), id, R2dbcApp::simple));
    ways.put(
        path + "prepared/",
        id ->
            both(
                connections.get(1),
                id,
                (connection, column) ->
                    all(connection.createStatement(prepared + column).bind(0, "x"))));
  }

  private static Connection take(BlockingQueue<Connection> idle) {
    try {
      return idle.take();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Mono<?> pooled(
      ConnectionPool pool, java.util.function.Function<Connection, Mono<?>> work) {
    return Mono.usingWhen(pool.create(), work, Connection::close);
  }

  private static Mono<String> both(Connection connection, int id, Ask ask) {
    return ask.ask(connection, "first_" + id)
        .flatMap(text -> ask.ask(connection, "last_" + id))
        .thenReturn("ok");
  }

  private static Mono<?> simple(Connection connection, String column) {
    return all(connection.createStatement("SELECT 1 AS " + column));
  }

  /** A few rows at a time, each of which is asked for. */
  private static Mono<?> rows(Connection connection, String column) {
    return all(
        connection
            .createStatement("SELECT generate_series(1, $1::int) AS " + column)
            .bind(0, 5)
            .fetchSize(2));
  }

  private static Mono<?> all(Statement statement) {
    return Flux.from(statement.execute())
        .flatMap(result -> result.map((row, meta) -> String.valueOf(row.get(0))))
        .collectList();
  }
}
