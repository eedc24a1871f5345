package dev.underspan.demo;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One span as it arrived.
 *
 * @param traceId 32 lower-case hex digits
 * @param spanId 16 lower-case hex digits
 * @param parentId 16 lower-case hex digits, or empty for a root
 * @param service {@code service.name} of the resource, or {@code unknown_service}
 * @param startNanos start, nanoseconds since the epoch
 * @param endNanos end, nanoseconds since the epoch; may precede the start if the sender is wrong
 * @param attributes values are String, Long, Double, Boolean, List or Map
 */
public record Span(
    String traceId,
    String spanId,
    String parentId,
    String service,
    String name,
    Kind kind,
    long startNanos,
    long endNanos,
    Map<String, Object> attributes,
    List<Event> events,
    List<Link> links,
    Status status) {

  /** Another span that is named, which is not the parent; ids as those of the span. */
  public record Link(String traceId, String spanId) {}

  /** The span kinds of OpenTelemetry. */
  public enum Kind {
    INTERNAL,
    SERVER,
    CLIENT,
    PRODUCER,
    CONSUMER
  }

  /** The status codes of OpenTelemetry. */
  public enum StatusCode {
    UNSET,
    OK,
    ERROR
  }

  /** Status of a span; the message is empty unless the sender gave one. */
  public record Status(StatusCode code, String message) {
    /** The default. */
    public static final Status UNSET = new Status(StatusCode.UNSET, "");
  }

  /**
   * An event on a span.
   *
   * @param timeNanos nanoseconds since the epoch
   */
  public record Event(String name, long timeNanos, Map<String, Object> attributes) {
    public Event {
      attributes = Map.copyOf(attributes);
    }

    /** The attribute as text, or null. */
    public @Nullable String text(String key) {
      Object value = attributes.get(key);
      return value == null ? null : value.toString();
    }
  }

  public Span {
    attributes = Map.copyOf(attributes);
    events = List.copyOf(events);
    links = List.copyOf(links);
  }

  /** Nanoseconds from start to end, never negative. */
  public long durationNanos() {
    return Math.max(0, endNanos - startNanos);
  }

  /** An integer attribute; absent ones are 0, as the agent leaves zeros out. */
  public long number(String key) {
    return attributes.get(key) instanceof Number number ? number.longValue() : 0;
  }

  /** The attribute as text, or null. */
  public @Nullable String text(String key) {
    Object value = attributes.get(key);
    return value == null ? null : value.toString();
  }

  /** Whether the span calls out of its process. */
  public boolean callsOut() {
    return kind == Kind.CLIENT || kind == Kind.PRODUCER;
  }
}
