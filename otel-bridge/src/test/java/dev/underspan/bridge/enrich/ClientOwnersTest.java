package dev.underspan.bridge.enrich;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.bridge.map.WeakIdentityMap;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.ConnectionInfo;
import dev.underspan.bridge.wire.TraceHead;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.ReadableSpan;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class ClientOwnersTest {
  private static final long TRACE = 42;
  private static final int PORT = 6379;

  // Without a processor it would make no spans.
  private final SdkTracerProvider provider =
      SdkTracerProvider.builder()
          .addSpanProcessor(SimpleSpanProcessor.create(InMemorySpanExporter.create()))
          .build();
  private final ClientOwners owners = new ClientOwners();

  private static TraceHead head(long spanId) {
    return new TraceHead(0, TRACE, spanId, 1);
  }

  private Span start(long id, int port) {
    Span span =
        provider
            .get("test")
            .spanBuilder("GET")
            .setSpanKind(SpanKind.CLIENT)
            .setAttribute("server.port", port)
            .startSpan();
    SpanApi api = SpanApi.of(span);
    ForeignSpan foreign =
        new ForeignSpan(
            new WeakIdentityMap<>().key(span), api, api.ids(span), ForeignSpan.CLIENT, 0);
    owners.started(foreign, head(id));
    last = foreign;
    return span;
  }

  private @Nullable ForeignSpan last;

  private static ClientCall call(
      long start, @Nullable TraceHead parent, @Nullable TraceHead announced) {
    return new ClientCall(
        new ConnectionInfo("10.0.0.1", 40000, "10.0.0.2", PORT, true, false, 0, 0),
        false,
        start,
        start,
        start + 500,
        start + 1000,
        parent,
        20,
        7,
        null,
        null,
        50,
        60,
        0,
        0,
        null,
        true,
        -1,
        new ClientCall.Http("GET", "/", false, null, "1.1", 200, announced));
  }

  private static @Nullable Long bytesIn(Span span, ForeignSpan foreign) {
    if (foreign.calls != null) {
      foreign.calls.writeTo(foreign);
    }
    return ((ReadableSpan) span).getAttribute(AttributeKey.longKey("underspan.net.bytes_in"));
  }

  @Test
  void byTheSendingThreadsSpan() {
    Span span = start(1, 80);
    ForeignSpan foreign = last;
    assertThat(owners.take(call(System.nanoTime(), head(1), null))).isTrue();
    // Its facts come event by event.
    assertThat(foreign == null ? null : bytesIn(span, foreign)).isNull();
    if (foreign != null) {
      owners.ended(foreign, 1);
    }
    assertThat(owners.take(call(System.nanoTime(), head(1), null))).isTrue();
  }

  @Test
  void byTheHeader() {
    Span span = start(1, 80);
    assertThat(owners.take(call(System.nanoTime(), head(9), head(1)))).isTrue();
    ForeignSpan foreign = last;
    assertThat(foreign == null ? null : bytesIn(span, foreign)).isEqualTo(7);
    assertThat(owners.take(call(System.nanoTime(), head(9), head(2)))).isFalse();
  }

  @Test
  void byTraceAndPortAndTheLatestBeginning() {
    assertThat(owners.take(call(System.nanoTime(), head(9), null))).isFalse();
    long before = System.nanoTime();
    Span first = start(1, PORT);
    ForeignSpan firstForeign = last;
    long between = System.nanoTime();
    Span second = start(2, PORT);
    ForeignSpan secondForeign = last;
    start(3, 5432);
    assertThat(owners.take(call(before - 1, head(9), null))).isFalse();
    assertThat(owners.take(call(between, head(9), null))).isTrue();
    assertThat(owners.take(call(System.nanoTime(), head(9), null))).isTrue();
    assertThat(owners.take(call(System.nanoTime(), new TraceHead(0, TRACE + 1, 9, 1), null)))
        .isFalse();
    assertThat(firstForeign == null ? null : bytesIn(first, firstForeign)).isEqualTo(7);
    assertThat(secondForeign == null ? null : bytesIn(second, secondForeign)).isEqualTo(7);
    assertThat(owners.owned()).isEqualTo(2);
  }

  @Test
  void aCallOfNobodyIsLeftToTheOtherTracer() {
    assertThat(owners.take(call(System.nanoTime(), null, null))).isFalse();
    owners.silentWithoutSpan();
    assertThat(owners.take(call(System.nanoTime(), null, null))).isTrue();
    assertThat(owners.unowned()).isOne();
    assertThat(owners.take(call(System.nanoTime(), head(9), null))).isFalse();
  }
}
