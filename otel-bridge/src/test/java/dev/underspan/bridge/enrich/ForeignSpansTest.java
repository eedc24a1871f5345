package dev.underspan.bridge.enrich;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.activity.FakeKernel;
import dev.underspan.bridge.clock.EpochClock;
import dev.underspan.bridge.span.AcceptTimes;
import dev.underspan.bridge.span.RequestInfo;
import dev.underspan.bridge.span.ServerSpans;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.ReadableSpan;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Followed by calls as advice makes them, with a real SDK that is not ours. */
class ForeignSpansTest {
  private static final Class<?> STORAGE = storage();

  private final InMemorySpanExporter exporter = InMemorySpanExporter.create();
  private final SdkTracerProvider provider =
      SdkTracerProvider.builder().addSpanProcessor(SimpleSpanProcessor.create(exporter)).build();
  private final FakeKernel kernel = new FakeKernel();
  private final Activities activities = new Activities();
  private final ForeignSpans foreign =
      new ForeignSpans(
          activities,
          new ServerSpans(
              OpenTelemetry.noop().getTracer("none"),
              TextMapPropagator.noop(),
              activities,
              new AcceptTimes(),
              new EpochClock()),
          new EpochClock(),
          new ClientOwners());

  private static Class<?> storage() {
    try {
      return Class.forName("io.opentelemetry.context.ThreadLocalContextStorage");
    } catch (ClassNotFoundException e) {
      throw new AssertionError(e);
    }
  }

  private Span start(SpanKind kind, long startEpochNanos) {
    Span span =
        provider
            .get("test")
            .spanBuilder("work")
            .setSpanKind(kind)
            .setStartTimestamp(startEpochNanos, TimeUnit.NANOSECONDS)
            .startSpan();
    foreign.started(
        span,
        List.of(SpanKind.values()).indexOf(kind),
        ((ReadableSpan) span).toSpanData().getStartEpochNanos());
    return span;
  }

  /** Ends it as long after its start as is given. */
  private SpanData end(Span span, long lasted) {
    long at = ((ReadableSpan) span).toSpanData().getStartEpochNanos() + lasted;
    foreign.ending(span, at);
    span.end(at, TimeUnit.NANOSECONDS);
    return exporter.getFinishedSpanItems().get(exporter.getFinishedSpanItems().size() - 1);
  }

  private Object attach(Span span) {
    Object scope = new Object();
    foreign.attached(STORAGE, Context.root().with(span), scope);
    return scope;
  }

  private static long sum(SpanData span) {
    long[] sum = new long[1];
    span.getAttributes()
        .forEach(
            (key, value) -> {
              if (key.getKey().startsWith("underspan.time.")) {
                sum[0] += (Long) value;
              }
            });
    return sum[0];
  }

  private static Object get(SpanData span, String key) {
    Object[] found = new Object[1];
    span.getAttributes()
        .forEach(
            (name, value) -> {
              if (name.getKey().equals(key)) {
                found[0] = value;
              }
            });
    return String.valueOf(found[0]);
  }

  @Test
  void nobodyIsFollowedUnlessThereIsSomebody() {
    Span span = start(SpanKind.INTERNAL, 0);
    attach(span);
    assertThat(activities.current()).isNull();
    assertThat(end(span, 1000).getAttributes().isEmpty()).isTrue();
  }

  @Test
  void aSpanIsCurrentBetweenAttachAndClose() {
    foreign.activate(false);
    activities.connect(kernel);
    Span span = start(SpanKind.INTERNAL, 0);
    Object outer = attach(span);
    Activity activity = activities.current();
    assertThat(activity).isNotNull();
    Object again = attach(span);
    assertThat(activities.current()).isSameAs(activity);
    Span child = start(SpanKind.INTERNAL, 0);
    Object inner = attach(child);
    assertThat(activities.current()).isNotSameAs(activity);
    foreign.closed(inner);
    assertThat(activities.current()).isSameAs(activity);
    foreign.closed(again);
    foreign.closed(new Object()); // one that was opened before we looked
    assertThat(activities.current()).isSameAs(activity);
    foreign.closed(outer);
    assertThat(activities.current()).isNull();
    assertThat(activities.misusedScopes()).isZero();
  }

  @Test
  void theKindsSumToWhatTheSpanSays() {
    foreign.activate(false);
    activities.connect(kernel);
    for (long lasted : new long[] {0, 1, 700, 5_000_000_000L}) {
      Span span = start(SpanKind.INTERNAL, 0);
      foreign.closed(attach(span));
      SpanData data = end(span, lasted);
      assertThat(sum(data)).isEqualTo(lasted);
      assertThat(get(data, "underspan.level")).isEqualTo("kernel");
    }
    assertThat(foreign.enriched()).isEqualTo(4);
  }

  @Test
  void whatIsEndedTwiceIsWrittenToOnce() {
    foreign.activate(false);
    Span span = start(SpanKind.INTERNAL, 0);
    foreign.ending(span, 5);
    foreign.ending(span, 5);
    assertThat(foreign.enriched()).isOne();
  }

  @Test
  void anObjectThatStandsForASpanIsTheSameActivity() {
    foreign.activate(false);
    Span span = start(SpanKind.INTERNAL, 0);
    attach(span);
    Activity activity = activities.current();
    attach(Span.wrap(span.getSpanContext()));
    assertThat(activities.current()).isSameAs(activity);
  }

  @Test
  void noSpanIsNoActivity() {
    foreign.activate(false);
    attach(start(SpanKind.INTERNAL, 0));
    Object scope = attach(Span.getInvalid());
    assertThat(activities.current()).isNull();
    foreign.closed(scope);
    assertThat(activities.current()).isNotNull();
  }

  /** The thread of slot 1 has just read a connection's request, which had lain there for 3 µs. */
  private void read(long number, long now) {
    int at = Layout.Slot.SIZE + Layout.Slot.REQUEST;
    kernel.memory.putLong(at + Layout.ServerRequest.THREAD, kernel.ledger().thread(1));
    kernel.memory.putLong(at + Layout.ServerRequest.COOKIE, 7);
    kernel.memory.putLong(at + Layout.ServerRequest.NUMBER, number);
    kernel.memory.putLong(at + Layout.ServerRequest.ARRIVAL_NS, now - 5000);
    kernel.memory.putLong(at + Layout.ServerRequest.READ_NS, now - 2000);
    kernel.memory.putLong(at + Layout.ServerRequest.BYTES_IN, 210);
    kernel.memory.putShort(at + Layout.ServerRequest.LOCAL_PORT, (short) 8080);
    kernel.memory.putShort(at + Layout.ServerRequest.REMOTE_PORT, (short) 4711);
  }

  @Test
  void aServerSpanSaysHowItsRequestCame() {
    foreign.activate(false);
    activities.connect(kernel);
    assertThat(activities.state().slot()).isEqualTo(1);
    read(2, System.nanoTime());
    // The handler is entered before the span begins …
    foreign.enter(new RequestInfo("t", "GET", null, "/", null, null, null, 4711, 8080, null, null));
    SpanData first = end(start(SpanKind.SERVER, 0), 10);
    assertThat(get(first, "underspan.queue.receive")).isEqualTo("3000");
    assertThat(get(first, "underspan.net.bytes_in")).isEqualTo("210");
    // … and a second one on the same thread is not for the same request.
    SpanData second = end(start(SpanKind.SERVER, 0), 10);
    assertThat(get(second, "underspan.queue.receive")).isEqualTo("null");
    // Without knowledge of the handler, the request that the thread has just read is taken.
    read(3, System.nanoTime());
    SpanData third = end(start(SpanKind.SERVER, 0), 10);
    assertThat(get(third, "underspan.queue.receive")).isEqualTo("3000");
  }

  /** The other tracer's span may begin first, when it says nothing of its connection yet. */
  @Test
  void whatTheThreadReadLastMayBeAnothersRequest() {
    foreign.activate(false);
    activities.connect(kernel);
    assertThat(activities.state().slot()).isEqualTo(1);
    long now = System.nanoTime();
    read(2, now);
    int there = (4712 & (Layout.RECENT_REQUESTS - 1)) * Layout.RecentRequest.SIZE;
    kernel.requests.putShort(there + Layout.RecentRequest.LOCAL_PORT, (short) 8080);
    kernel.requests.putShort(there + Layout.RecentRequest.REMOTE_PORT, (short) 4712);
    kernel.requests.putLong(there + Layout.RecentRequest.NUMBER, 1);
    kernel.requests.putLong(there + Layout.RecentRequest.ARRIVAL_NS, now - 9000);
    kernel.requests.putLong(there + Layout.RecentRequest.READ_NS, now - 2000);
    Span span = start(SpanKind.SERVER, 0);
    Object scope = attach(span);
    foreign.enter(new RequestInfo("t", "GET", null, "/", null, null, null, 4712, 8080, null, null));
    foreign.closed(scope);
    assertThat(get(end(span, 10), "underspan.queue.receive")).isEqualTo("7000");
    // Of a connection that is not known nothing is said.
    read(3, now);
    span = start(SpanKind.SERVER, 0);
    scope = attach(span);
    foreign.enter(new RequestInfo("t", "GET", null, "/", null, null, null, 4713, 8080, null, null));
    foreign.closed(scope);
    assertThat(get(end(span, 10), "underspan.queue.receive")).isEqualTo("null");
  }
}
