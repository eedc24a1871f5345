package dev.underspan.demo;

import com.google.protobuf.InvalidProtocolBufferException;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest;
import io.opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest;
import io.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
import io.opentelemetry.proto.common.v1.AnyValue;
import io.opentelemetry.proto.common.v1.KeyValue;
import io.opentelemetry.proto.trace.v1.ResourceSpans;
import io.opentelemetry.proto.trace.v1.ScopeSpans;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/**
 * An OTLP/HTTP endpoint on the loopback address: {@code POST /v1/traces} fills a {@link
 * TraceStore}; {@code /v1/metrics} and {@code /v1/logs} are checked and counted. Bodies are
 * protobuf, plain or gzip. What it cannot read it answers with a 4xx status and counts.
 */
public final class OtlpReceiver implements AutoCloseable {
  /** Largest body after decompression; a batch of 512 spans has well under 1 MB. */
  private static final int MAX_BODY = 64 << 20;

  private static final HexFormat HEX = HexFormat.of();

  private final HttpServer server;
  private final ExecutorService workers;
  private final TraceStore store;
  private final AtomicLong metricRequests = new AtomicLong();
  private final AtomicLong logRequests = new AtomicLong();
  private final AtomicLong rejected = new AtomicLong();

  /** What a body is handed to. */
  private interface Sink {
    void accept(byte[] body) throws InvalidProtocolBufferException;
  }

  /** A request that gets a 4xx answer. */
  private static final class Refused extends Exception {
    final int status;

    Refused(int status, String message) {
      super(message);
      this.status = status;
    }
  }

  /**
   * Starts to listen.
   *
   * @param port TCP port on 127.0.0.1, or 0 for any free one
   */
  public OtlpReceiver(int port, TraceStore store) throws IOException {
    this.store = store;
    // By number: getLoopbackAddress() may be ::1.
    InetAddress loopback = InetAddress.getByAddress(new byte[] {127, 0, 0, 1});
    server = HttpServer.create(new InetSocketAddress(loopback, port), 128);
    workers =
        Executors.newFixedThreadPool(
            4,
            task -> {
              Thread thread = new Thread(task, "otlp-receiver");
              thread.setDaemon(true);
              return thread;
            });
    server.setExecutor(workers);
    server.createContext("/", exchange -> reply(exchange, 404, "no such path"));
    handle("/v1/traces", this::traces);
    handle(
        "/v1/metrics",
        body -> {
          var unused = ExportMetricsServiceRequest.parseFrom(body);
          metricRequests.incrementAndGet();
        });
    handle(
        "/v1/logs",
        body -> {
          var unused = ExportLogsServiceRequest.parseFrom(body);
          logRequests.incrementAndGet();
        });
    server.start();
  }

  /** The base address for {@code OTEL_EXPORTER_OTLP_ENDPOINT}. */
  public String endpoint() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  /** Accepted requests to {@code /v1/metrics}. */
  public long metricRequests() {
    return metricRequests.get();
  }

  /** Accepted requests to {@code /v1/logs}. */
  public long logRequests() {
    return logRequests.get();
  }

  /** Requests that were answered with a 4xx status. */
  public long rejected() {
    return rejected.get();
  }

  @Override
  public void close() {
    server.stop(0);
    workers.shutdownNow();
    try {
      workers.awaitTermination(2, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void handle(String path, Sink sink) {
    server.createContext(
        path,
        exchange -> {
          try {
            sink.accept(body(exchange, path));
            // An empty message is the answer "all accepted".
            exchange.getResponseHeaders().set("Content-Type", "application/x-protobuf");
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
          } catch (Refused e) {
            reply(exchange, e.status, String.valueOf(e.getMessage()));
          } catch (InvalidProtocolBufferException e) {
            reply(exchange, 400, "not an OTLP message: " + e.getMessage());
          } catch (ZipException | EOFException e) {
            reply(exchange, 400, "broken gzip body: " + e.getMessage());
          } catch (RuntimeException e) {
            reply(exchange, 400, "cannot be read: " + e);
          }
        });
  }

  private static byte[] body(HttpExchange exchange, String path) throws IOException, Refused {
    if (!exchange.getRequestURI().getPath().equals(path)) {
      throw new Refused(404, "no such path");
    }
    if (!exchange.getRequestMethod().equals("POST")) {
      throw new Refused(405, "POST only");
    }
    String type = header(exchange, "Content-Type");
    if (!type.startsWith("application/x-protobuf")) {
      throw new Refused(415, "application/x-protobuf only, not " + type);
    }
    String encoding = header(exchange, "Content-Encoding");
    InputStream in = exchange.getRequestBody();
    if (encoding.equals("gzip")) {
      in = new GZIPInputStream(in);
    } else if (!encoding.isEmpty() && !encoding.equals("identity")) {
      throw new Refused(415, "unknown encoding " + encoding);
    }
    byte[] body = in.readNBytes(MAX_BODY + 1);
    if (body.length > MAX_BODY) {
      throw new Refused(413, "more than " + MAX_BODY + " bytes");
    }
    return body;
  }

  private static String header(HttpExchange exchange, String name) {
    @Nullable String value = exchange.getRequestHeaders().getFirst(name);
    return value == null ? "" : value.trim().toLowerCase(Locale.ROOT);
  }

  private void reply(HttpExchange exchange, int status, String message) throws IOException {
    rejected.incrementAndGet();
    byte[] text = message.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
    exchange.sendResponseHeaders(status, text.length);
    try (exchange) {
      exchange.getResponseBody().write(text);
    }
  }

  private void traces(byte[] body) throws InvalidProtocolBufferException {
    List<Span> spans = new ArrayList<>();
    for (ResourceSpans resource :
        ExportTraceServiceRequest.parseFrom(body).getResourceSpansList()) {
      Object name =
          attributes(resource.getResource().getAttributesList())
              .getOrDefault("service.name", "unknown_service");
      for (ScopeSpans scope : resource.getScopeSpansList()) {
        for (var span : scope.getSpansList()) {
          spans.add(span(span, name.toString()));
        }
      }
    }
    store.add(spans);
  }

  private static Span span(io.opentelemetry.proto.trace.v1.Span span, String service) {
    List<Span.Event> events = new ArrayList<>();
    for (var event : span.getEventsList()) {
      events.add(
          new Span.Event(
              event.getName(), event.getTimeUnixNano(), attributes(event.getAttributesList())));
    }
    Span.Kind kind =
        switch (span.getKind()) {
          case SPAN_KIND_SERVER -> Span.Kind.SERVER;
          case SPAN_KIND_CLIENT -> Span.Kind.CLIENT;
          case SPAN_KIND_PRODUCER -> Span.Kind.PRODUCER;
          case SPAN_KIND_CONSUMER -> Span.Kind.CONSUMER;
          default -> Span.Kind.INTERNAL;
        };
    Span.StatusCode code =
        switch (span.getStatus().getCode()) {
          case STATUS_CODE_OK -> Span.StatusCode.OK;
          case STATUS_CODE_ERROR -> Span.StatusCode.ERROR;
          default -> Span.StatusCode.UNSET;
        };
    return new Span(
        HEX.formatHex(span.getTraceId().toByteArray()),
        HEX.formatHex(span.getSpanId().toByteArray()),
        HEX.formatHex(span.getParentSpanId().toByteArray()),
        service,
        span.getName(),
        kind,
        span.getStartTimeUnixNano(),
        span.getEndTimeUnixNano(),
        attributes(span.getAttributesList()),
        events,
        span.getLinksList().stream()
            .map(
                link ->
                    new Span.Link(
                        HEX.formatHex(link.getTraceId().toByteArray()),
                        HEX.formatHex(link.getSpanId().toByteArray())))
            .toList(),
        new Span.Status(code, span.getStatus().getMessage()));
  }

  private static Map<String, Object> attributes(List<KeyValue> list) {
    Map<String, Object> map = new LinkedHashMap<>();
    for (KeyValue entry : list) {
      map.put(entry.getKey(), value(entry.getValue()));
    }
    return map;
  }

  private static Object value(AnyValue value) {
    return switch (value.getValueCase()) {
      case STRING_VALUE -> value.getStringValue();
      case INT_VALUE -> value.getIntValue();
      case DOUBLE_VALUE -> value.getDoubleValue();
      case BOOL_VALUE -> value.getBoolValue();
      case BYTES_VALUE -> HEX.formatHex(value.getBytesValue().toByteArray());
      case ARRAY_VALUE ->
          value.getArrayValue().getValuesList().stream().map(OtlpReceiver::value).toList();
      case KVLIST_VALUE -> attributes(value.getKvlistValue().getValuesList());
      default -> "";
    };
  }
}
