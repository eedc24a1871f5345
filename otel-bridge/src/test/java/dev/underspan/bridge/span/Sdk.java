package dev.underspan.bridge.span;

import dev.underspan.abi.Layout;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** An SDK whose spans stay here. */
final class Sdk {
  final WireIdGenerator ids = new WireIdGenerator();
  final InMemorySpanExporter exporter = InMemorySpanExporter.create();
  final Tracer tracer =
      SdkTracerProvider.builder()
          .setIdGenerator(ids)
          .addSpanProcessor(SimpleSpanProcessor.create(exporter))
          .build()
          .get("test");
  final TextMapPropagator propagator = W3CTraceContextPropagator.getInstance();

  SpanData only() {
    List<SpanData> spans = exporter.getFinishedSpanItems();
    if (spans.size() != 1) {
      throw new AssertionError("spans: " + spans);
    }
    return spans.get(0);
  }

  static @Nullable Object get(SpanData span, String key) {
    return attributes(span).get(key);
  }

  /** All attributes by name. */
  static Map<String, Object> attributes(SpanData span) {
    Map<String, Object> attributes = new TreeMap<>();
    span.getAttributes().forEach((key, value) -> attributes.put(key.getKey(), value));
    return attributes;
  }

  /** The time budget: what is behind underspan.time. */
  static Map<String, Long> budget(SpanData span) {
    Map<String, Long> budget = new TreeMap<>();
    attributes(span)
        .forEach(
            (key, value) -> {
              if (key.startsWith("underspan.time.")) {
                budget.put(
                    key.substring("underspan.time.".length()).toLowerCase(Locale.ROOT),
                    (Long) value);
              }
            });
    return budget;
  }

  static long sum(SpanData span) {
    return budget(span).values().stream().mapToLong(Long::longValue).sum();
  }

  static long duration(SpanData span) {
    return span.getEndEpochNanos() - span.getStartEpochNanos();
  }

  /** An account's readings: kind, value, kind, value. */
  static long[] account(long... kindsAndValues) {
    long[] ns = new long[Layout.LEDGER_KINDS];
    for (int i = 0; i < kindsAndValues.length; i += 2) {
      ns[(int) kindsAndValues[i]] = kindsAndValues[i + 1];
    }
    return ns;
  }
}
