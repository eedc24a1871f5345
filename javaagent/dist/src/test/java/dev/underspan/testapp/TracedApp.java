package dev.underspan.testapp;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Scope;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * An application that somebody else traces: /outer calls /inner by HTTP, /db asks a database. With
 * the argument "sdk" it has an OpenTelemetry SDK of its own, with a span for the request and one
 * for the query, but none for the HTTP call. Prints "port N", answers until its standard input
 * ends, then exits with 0.
 */
public final class TracedApp {
  private TracedApp() {}

  /** What a request does. */
  private interface Work {
    String run(HttpExchange exchange) throws Exception;
  }

  /** Makes a span around something. */
  private interface Tracing {
    <T> T in(String name, boolean client, java.util.concurrent.Callable<T> work) throws Exception;
  }

  /** Runs it; arguments: the database's URL, then maybe "sdk". */
  public static void main(String[] args) throws Exception {
    Tracing tracing = args.length > 1 ? Sdk.tracing() : new Untraced();
    Connection database = DriverManager.getConnection(args[0]);
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    int port = server.getAddress().getPort();
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    handle(
        server,
        tracing,
        "/inner",
        exchange -> String.valueOf(exchange.getRequestHeaders().getFirst("traceparent")));
    handle(
        server,
        tracing,
        "/outer",
        exchange ->
            client
                .send(
                    HttpRequest.newBuilder(URI.create("http://localhost:" + port + "/inner"))
                        .build(),
                    HttpResponse.BodyHandlers.ofString())
                .body());
    handle(server, tracing, "/db", exchange -> tracing.in("query", true, () -> query(database)));
    ExecutorService executor = Executors.newFixedThreadPool(4);
    server.setExecutor(executor);
    server.start();
    System.out.println("port " + port);
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    server.stop(0);
    executor.shutdown();
    database.close();
    if (args.length > 1) {
      Sdk.close();
    }
  }

  private static synchronized String query(Connection database) throws SQLException {
    try (Statement statement = database.createStatement();
        ResultSet result = statement.executeQuery("select 'slept' || pg_sleep(0.03)")) {
      result.next();
      return result.getString(1);
    }
  }

  private static void handle(HttpServer server, Tracing tracing, String path, Work work) {
    server.createContext(
        path,
        exchange -> {
          try {
            String text = tracing.in("GET " + path, false, () -> work.run(exchange));
            byte[] body = text.getBytes(StandardCharsets.US_ASCII);
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
          exchange.close();
        });
  }

  private static final class Untraced implements Tracing {
    @Override
    public <T> T in(String name, boolean client, java.util.concurrent.Callable<T> work)
        throws Exception {
      return work.call();
    }
  }

  /** Apart, so that the SDK's classes are needed only where it is used. */
  private static final class Sdk implements Tracing {
    private static final OpenTelemetrySdk SDK =
        OpenTelemetrySdk.builder()
            .setTracerProvider(
                SdkTracerProvider.builder()
                    .setResource(Resource.builder().put("service.name", "own").build())
                    .addSpanProcessor(
                        BatchSpanProcessor.builder(
                                OtlpHttpSpanExporter.builder()
                                    .setEndpoint(
                                        System.getenv("OTEL_EXPORTER_OTLP_ENDPOINT") + "/v1/traces")
                                    .build())
                            .setScheduleDelay(Duration.ofMillis(200))
                            .build())
                    .build())
            .build();

    private final Tracer tracer = SDK.getTracer("app");

    static Tracing tracing() {
      return new Sdk();
    }

    static void close() {
      SDK.close();
    }

    @Override
    public <T> T in(String name, boolean client, java.util.concurrent.Callable<T> work)
        throws Exception {
      Span span =
          tracer
              .spanBuilder(name)
              .setSpanKind(client ? SpanKind.CLIENT : SpanKind.SERVER)
              .startSpan();
      Scope scope = span.makeCurrent();
      try {
        return work.call();
      } finally {
        scope.close();
        span.end();
      }
    }
  }
}
