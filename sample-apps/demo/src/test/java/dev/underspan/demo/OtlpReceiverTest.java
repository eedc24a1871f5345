package dev.underspan.demo;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest;
import io.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
import io.opentelemetry.proto.common.v1.AnyValue;
import io.opentelemetry.proto.common.v1.ArrayValue;
import io.opentelemetry.proto.common.v1.KeyValue;
import io.opentelemetry.proto.resource.v1.Resource;
import io.opentelemetry.proto.trace.v1.ResourceSpans;
import io.opentelemetry.proto.trace.v1.ScopeSpans;
import io.opentelemetry.proto.trace.v1.Status;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class OtlpReceiverTest {
  private final TraceStore store = new TraceStore();
  private final HttpClient client = HttpClient.newHttpClient();
  private OtlpReceiver receiver;

  @BeforeEach
  void start() throws IOException {
    receiver = new OtlpReceiver(0, store);
  }

  @AfterEach
  void stop() {
    receiver.close();
  }

  private int post(String path, byte[] body, String... headers) throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(receiver.endpoint() + path))
            .POST(BodyPublishers.ofByteArray(body));
    if (headers.length > 0) {
      request.headers(headers);
    }
    return client.send(request.build(), BodyHandlers.discarding()).statusCode();
  }

  private static KeyValue attribute(String key, AnyValue.Builder value) {
    return KeyValue.newBuilder().setKey(key).setValue(value).build();
  }

  private static byte[] request() {
    var span =
        io.opentelemetry.proto.trace.v1.Span.newBuilder()
            .setTraceId(ByteString.copyFrom(HexFormat.of().parseHex(Traces.ID)))
            .setSpanId(ByteString.copyFrom(HexFormat.of().parseHex(Traces.hex(2))))
            .setParentSpanId(ByteString.copyFrom(HexFormat.of().parseHex(Traces.hex(1))))
            .setName("GET /price")
            .setKind(io.opentelemetry.proto.trace.v1.Span.SpanKind.SPAN_KIND_SERVER)
            .setStartTimeUnixNano(1_000)
            .setEndTimeUnixNano(3_000)
            .setStatus(
                Status.newBuilder().setCode(Status.StatusCode.STATUS_CODE_ERROR).setMessage("no"))
            .addAttributes(
                attribute("underspan.time.cpu", AnyValue.newBuilder().setIntValue(2_000)))
            .addAttributes(
                attribute(
                    "list",
                    AnyValue.newBuilder()
                        .setArrayValue(
                            ArrayValue.newBuilder()
                                .addValues(AnyValue.newBuilder().setBoolValue(true)))))
            .addEvents(
                io.opentelemetry.proto.trace.v1.Span.Event.newBuilder()
                    .setName("underspan.blocked")
                    .setTimeUnixNano(2_000));
    return ExportTraceServiceRequest.newBuilder()
        .addResourceSpans(
            ResourceSpans.newBuilder()
                .setResource(
                    Resource.newBuilder()
                        .addAttributes(
                            attribute(
                                "service.name", AnyValue.newBuilder().setStringValue("pricing"))))
                .addScopeSpans(ScopeSpans.newBuilder().addSpans(span)))
        .build()
        .toByteArray();
  }

  private static byte[] gzip(byte[] body) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
      gzip.write(body);
    }
    return out.toByteArray();
  }

  @Test
  void spansArriveAsSent() throws Exception {
    assertThat(post("/v1/traces", request(), "Content-Type", "application/x-protobuf"))
        .isEqualTo(200);
    Span span = store.traces().get(0).main().span();
    assertThat(span.traceId()).isEqualTo(Traces.ID);
    assertThat(span.spanId()).isEqualTo(Traces.hex(2));
    assertThat(span.parentId()).isEqualTo(Traces.hex(1));
    assertThat(span.service()).isEqualTo("pricing");
    assertThat(span.kind()).isEqualTo(Span.Kind.SERVER);
    assertThat(span.durationNanos()).isEqualTo(2_000);
    assertThat(span.number("underspan.time.cpu")).isEqualTo(2_000);
    assertThat(span.attributes()).containsEntry("list", List.of(true));
    assertThat(span.status()).isEqualTo(new Span.Status(Span.StatusCode.ERROR, "no"));
    assertThat(span.events()).hasSize(1);
    assertThat(store.traces().get(0).main().orphan()).isTrue();
  }

  @Test
  void gzipIsUnderstood() throws Exception {
    assertThat(
            post(
                "/v1/traces",
                gzip(request()),
                "Content-Type",
                "application/x-protobuf",
                "Content-Encoding",
                "gzip"))
        .isEqualTo(200);
    assertThat(store.size()).isEqualTo(1);
  }

  @Test
  void metricsAndLogsAreCounted() throws Exception {
    byte[] body = ExportMetricsServiceRequest.getDefaultInstance().toByteArray();
    assertThat(post("/v1/metrics", body, "Content-Type", "application/x-protobuf")).isEqualTo(200);
    assertThat(post("/v1/logs", body, "Content-Type", "application/x-protobuf")).isEqualTo(200);
    assertThat(receiver.metricRequests()).isEqualTo(1);
    assertThat(receiver.logRequests()).isEqualTo(1);
  }

  @Test
  void badInputIsRefusedAndDoesNoHarm() throws Exception {
    String[] protobuf = {"Content-Type", "application/x-protobuf"};
    String[] gzip = {"Content-Type", "application/x-protobuf", "Content-Encoding", "gzip"};
    byte[] garbage = {(byte) 0xff, (byte) 0xff, 1, 2, 3};
    byte[] cut = gzip(request());
    assertThat(post("/v1/traces", garbage, protobuf)).isEqualTo(400);
    assertThat(post("/v1/traces", garbage, gzip)).isEqualTo(400);
    assertThat(post("/v1/traces", new byte[0], gzip)).isEqualTo(400);
    assertThat(post("/v1/traces", java.util.Arrays.copyOf(cut, cut.length - 12), gzip))
        .isEqualTo(400);
    assertThat(post("/v1/traces", request(), "Content-Type", "application/json")).isEqualTo(415);
    assertThat(post("/v1/traces", request())).isEqualTo(415);
    assertThat(post("/v1/traces/more", request(), protobuf)).isEqualTo(404);
    assertThat(post("/elsewhere", request(), protobuf)).isEqualTo(404);
    assertThat(receiver.rejected()).isEqualTo(8);
    assertThat(store.received()).isZero();
    assertThat(post("/v1/traces", request(), protobuf)).isEqualTo(200);
  }

  @Test
  void theStoreIsBounded() {
    TraceStore small = new TraceStore(3);
    for (int i = 0; i < 5; i++) {
      Span span = Traces.normal().spans().get(0);
      small.add(
          List.of(
              new Span(
                  "trace" + i,
                  span.spanId(),
                  "",
                  "a",
                  "b",
                  span.kind(),
                  0,
                  1,
                  span.attributes(),
                  List.of(),
                  List.of(),
                  span.status())));
    }
    assertThat(small.size()).isEqualTo(3);
    assertThat(small.received()).isEqualTo(5);
    assertThat(small.dropped()).isEqualTo(2);
    assertThat(small.traces().get(0).id()).isEqualTo("trace2");
  }

  @Test
  void circlesOfParentsAreCut() {
    Trace trace =
        new Traces()
            .span(1, 2, "a", Span.Kind.INTERNAL, "one", 0, 10)
            .span(2, 1, "a", Span.Kind.INTERNAL, "two", 1, 9)
            .trace();
    assertThat(trace.spans()).hasSize(2);
    assertThat(trace.main().size()).isEqualTo(2);
    assertThat(trace.main().orphan()).isTrue();
  }
}
