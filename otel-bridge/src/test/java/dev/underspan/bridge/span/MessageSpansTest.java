package dev.underspan.bridge.span;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.clock.EpochClock;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.sdk.trace.data.LinkData;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;

class MessageSpansTest {
  private static final String TRACE = "0af7651916cd43dd8448eb211c80319c";
  private static final String REMOTE = "00-" + TRACE + "-b7ad6b7169203331-01";

  /** Of many records, in a trace of its own. */
  private static final SpanContext REQUEST =
      SpanContext.create(
          "4bf92f3577b34da6a3ce929d0e0e4736",
          "00f067aa0ba902b7",
          TraceFlags.getSampled(),
          TraceState.getDefault());

  private final Sdk sdk = new Sdk();
  private final Activities activities = new Activities();
  private final EpochClock clock = new EpochClock();
  private final ProducerSpans producers =
      new ProducerSpans(sdk.tracer, sdk.propagator, activities, clock);
  private final ConsumerSpans consumers =
      new ConsumerSpans(sdk.tracer, sdk.propagator, activities, clock);

  private static ConsumerRecord<String, String> received(String traceparent) {
    ConsumerRecord<String, String> record = new ConsumerRecord<>("orders", 2, 41, "key", "value");
    record.headers().add("traceparent", bytes("older"));
    record.headers().add("traceparent", bytes(traceparent));
    return record;
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void aRecordThatIsProcessedContinuesItsTrace() {
    ConsumerSpans.Processing processing =
        consumers.start(received(REMOTE), "shop", "shop-1", REQUEST);
    Activity current = activities.current();
    assertThat(current).isNotNull();
    processing.end();
    processing.end(); // as told twice: by the iterator and the next poll
    assertThat(activities.current()).isNull();
    assertThat(activities.misusedScopes()).isZero();
    SpanData span = sdk.only();
    assertThat(span.getName()).isEqualTo("process orders");
    assertThat(span.getKind()).isEqualTo(SpanKind.CONSUMER);
    assertThat(span.getTraceId()).isEqualTo(TRACE);
    assertThat(span.getParentSpanId()).isEqualTo("b7ad6b7169203331");
    assertThat(span.getLinks()).containsExactly(LinkData.create(REQUEST));
    assertThat(Sdk.attributes(span))
        .containsEntry("messaging.system", "kafka")
        .containsEntry("messaging.operation.name", "process")
        .containsEntry("messaging.operation.type", "process")
        .containsEntry("messaging.destination.name", "orders")
        .containsEntry("messaging.destination.partition.id", "2")
        .containsEntry("messaging.kafka.offset", 41L)
        .containsEntry("messaging.consumer.group.name", "shop")
        .containsEntry("messaging.client.id", "shop-1");
    assertThat(span.getAttributes().asMap().values()).doesNotContain("key", "value");
    assertThat(Sdk.sum(span)).isLessThanOrEqualTo(Sdk.duration(span));
  }

  @Test
  void processingThatAnotherThreadEndsStaysCurrentNowhereElse() {
    ConsumerSpans.Processing processing = consumers.start(received(REMOTE), null, null, null);
    CompletableFuture.runAsync(processing::end).join();
    assertThat(sdk.only().getKind()).isEqualTo(SpanKind.CONSUMER);
    assertThat(activities.current()).isNotNull(); // until its own thread turns away
    processing.end();
    assertThat(activities.current()).isNull();
    assertThat(activities.misusedScopes()).isZero();
  }

  @Test
  void aRecordThatIsSentNamesItsSpan() {
    ConsumerSpans.Processing sender = consumers.start(received(REMOTE), null, null, null);
    Activity request = activities.current();
    ProducerSpans.Sending sending = producers.start("parcels", -1, "shop-1", null);
    Activity current = activities.current();
    assertThat(current).isNotNull().isNotSameAs(request);
    String id = current == null ? "" : current.span().getSpanContext().getSpanId();
    assertThat(sending.headers()).containsExactly("traceparent", "00-" + TRACE + "-" + id + "-01");
    sending.sent(null);
    assertThat(activities.current()).isSameAs(request);
    assertThat(sdk.exporter.getFinishedSpanItems()).isEmpty(); // not acknowledged yet
    sender.end();

    CompletableFuture.runAsync(
            () -> {
              Activities.Scope scope = sending.acknowledged(1, 17, null, REQUEST);
              assertThat(activities.current()).isSameAs(request);
              activities.detach(scope);
              assertThat(activities.current()).isNull();
            })
        .join();
    SpanData span = sdk.exporter.getFinishedSpanItems().get(1);
    assertThat(span.getName()).isEqualTo("send parcels");
    assertThat(span.getKind()).isEqualTo(SpanKind.PRODUCER);
    assertThat(span.getSpanId()).isEqualTo(id);
    assertThat(span.getLinks()).containsExactly(LinkData.create(REQUEST));
    assertThat(Sdk.attributes(span))
        .containsEntry("messaging.destination.partition.id", "1")
        .containsEntry("messaging.kafka.offset", 17L)
        .doesNotContainKey("error.type");
  }

  @Test
  void aRecordThatIsRefusedEndsOnce() {
    ProducerSpans.Sending sending = producers.start("parcels", 3, "shop-1", null);
    activities.detach(
        sending.acknowledged(-1, -1, new IllegalArgumentException("too large"), null));
    sending.sent(new IllegalStateException());
    SpanData span = sdk.only();
    assertThat(span.getParentSpanContext().isValid()).isFalse();
    assertThat(span.getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
    assertThat(Sdk.attributes(span))
        .containsEntry("error.type", "java.lang.IllegalArgumentException")
        .containsEntry("messaging.destination.partition.id", "3")
        .doesNotContainKey("messaging.kafka.offset");
    assertThat(activities.current()).isNull();
    assertThat(activities.misusedScopes()).isZero();
  }

  @Test
  void headersOfTheApplicationStayButNotThoseThatWerePassedOn() {
    ConsumerSpans.Processing processing = consumers.start(received(REMOTE), null, null, null);
    ProducerSpans.Sending passedOn = producers.start("parcels", -1, "shop-1", bytes(REMOTE));
    assertThat(passedOn.headers()).isNotNull();
    passedOn.sent(null);
    String other = "00-" + TRACE + "-00f067aa0ba902b7-01";
    for (String own : new String[] {other, "none", ""}) {
      ProducerSpans.Sending sending = producers.start("parcels", -1, "shop-1", bytes(own));
      assertThat(sending.headers()).as(own).isNull();
      sending.sent(null);
    }
    processing.end();
    assertThat(activities.misusedScopes()).isZero();
  }
}
