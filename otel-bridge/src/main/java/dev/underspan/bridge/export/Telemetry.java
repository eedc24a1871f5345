package dev.underspan.bridge.export;

import dev.underspan.bridge.span.WireIdGenerator;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * Our own SDK, configured by {@code OTEL_*} variables and {@code otel.*} properties as
 * OpenTelemetry documents them. Differences in defaults: OTLP goes over http/protobuf, metrics and
 * logs to nobody.
 */
public final class Telemetry {
  private static final AttributeKey<String> REASON = AttributeKey.stringKey("underspan.reason");

  private final OpenTelemetrySdk sdk;
  private final WireIdGenerator ids;

  private Telemetry(OpenTelemetrySdk sdk, WireIdGenerator ids) {
    this.sdk = sdk;
    this.ids = ids;
  }

  /**
   * Builds the SDK; its threads are started by the calling thread and belong to the agent like it.
   *
   * @param loader finds exporters and propagators
   * @throws RuntimeException when the configuration is not understood
   */
  public static Telemetry start(ClassLoader loader) {
    WireIdGenerator ids = new WireIdGenerator();
    OpenTelemetrySdk sdk =
        AutoConfiguredOpenTelemetrySdk.builder()
            .setServiceClassLoader(loader)
            .disableShutdownHook()
            .addPropertiesSupplier(
                () ->
                    Map.of(
                        "otel.exporter.otlp.protocol", "http/protobuf",
                        "otel.metrics.exporter", "none",
                        "otel.logs.exporter", "none"))
            .addTracerProviderCustomizer((builder, config) -> builder.setIdGenerator(ids))
            .build()
            .getOpenTelemetrySdk();
    return new Telemetry(sdk, ids);
  }

  /** An SDK that sends nothing. */
  public static Telemetry none() {
    return new Telemetry(
        OpenTelemetrySdk.builder()
            .setPropagators(ContextPropagators.create(W3CTraceContextPropagator.getInstance()))
            .build(),
        new WireIdGenerator());
  }

  /** Where our spans go. */
  public Tracer tracer(String version) {
    return sdk.getTracerProvider()
        .tracerBuilder("dev.underspan")
        .setInstrumentationVersion(version)
        .build();
  }

  /** Makes metrics of counters; asked only when a metrics exporter is configured. */
  public void observe(List<SelfCounter> counters, String version) {
    Meter meter =
        sdk.getMeterProvider()
            .meterBuilder("dev.underspan")
            .setInstrumentationVersion(version)
            .build();
    counters.stream()
        .collect(Collectors.groupingBy(SelfCounter::metric))
        .forEach(
            (metric, of) ->
                meter
                    .counterBuilder(metric)
                    .setUnit(of.get(0).unit())
                    .buildWithCallback(
                        measurement ->
                            of.forEach(
                                counter ->
                                    measurement.record(
                                        counter.value().getAsLong(), attributes(counter)))));
  }

  private static Attributes attributes(SelfCounter counter) {
    String reason = counter.reason();
    return reason == null ? Attributes.empty() : Attributes.of(REASON, reason);
  }

  /** How contexts cross processes. */
  public TextMapPropagator propagator() {
    return sdk.getPropagators().getTextMapPropagator();
  }

  /** The SDK's source of ids. */
  public WireIdGenerator ids() {
    return ids;
  }

  /** Sends what is left, for a bounded time. */
  public void shutdown(long timeout, TimeUnit unit) {
    sdk.shutdown().join(timeout, unit);
  }
}
