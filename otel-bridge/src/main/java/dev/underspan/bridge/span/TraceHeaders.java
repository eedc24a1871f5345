package dev.underspan.bridge.span;

import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapPropagator;
import java.util.ArrayList;
import java.util.List;

/** The headers by which a context travels. */
public final class TraceHeaders {
  private TraceHeaders() {}

  /** Names and values, alternating, as the propagator writes them. */
  public static String[] of(TextMapPropagator propagator, Context context) {
    List<String> headers = new ArrayList<>(4);
    propagator.inject(
        context,
        headers,
        (list, name, value) -> {
          if (list != null) {
            list.add(name);
            list.add(value);
          }
        });
    return headers.toArray(new String[0]);
  }
}
