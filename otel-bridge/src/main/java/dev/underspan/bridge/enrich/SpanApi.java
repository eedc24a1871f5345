package dev.underspan.bridge.enrich;

import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodHandles.Lookup;
import java.lang.invoke.MethodType;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The methods of a span class that belongs to another copy of OpenTelemetry, relocated or not, by
 * handles: its classes are never linked by ours.
 */
final class SpanApi {
  private static final String SPAN = "io.opentelemetry.api.trace.Span";
  private static final String READABLE = "io.opentelemetry.sdk.trace.ReadableSpan";

  private static final ClassValue<SpanApi> BY_CLASS =
      new ClassValue<>() {
        @Override
        protected SpanApi computeValue(Class<?> type) {
          try {
            return new SpanApi(type);
          } catch (ReflectiveOperationException | LinkageError e) {
            throw new IllegalStateException("not OpenTelemetry as we know it: " + type, e);
          }
        }
      };

  private final MethodHandle context;
  private final MethodHandle traceId;
  private final MethodHandle spanId;
  private final MethodHandle flags;
  private final MethodHandle recording;
  private final MethodHandle setLong;
  private final MethodHandle setText;
  private final MethodHandle setFlag;
  private final Class<?> attributes;
  private final MethodHandle addEvent;
  private final @Nullable MethodHandle getAttribute;
  private final MethodHandle longKey;
  private final MethodHandle textKey;

  private SpanApi(Class<?> type) throws ReflectiveOperationException {
    Class<?> span = named(type, SPAN);
    if (span == null) {
      throw new ClassNotFoundException(SPAN);
    }
    Lookup lookup = MethodHandles.publicLookup();
    Class<?> ids = sibling(span, "SpanContext");
    Class<?> flagsType = sibling(span, "TraceFlags");
    context = virtual(lookup, span, "getSpanContext", ids);
    traceId = virtual(lookup, ids, "getTraceId", String.class);
    spanId = virtual(lookup, ids, "getSpanId", String.class);
    flags =
        MethodHandles.filterReturnValue(
                lookup.findVirtual(ids, "getTraceFlags", MethodType.methodType(flagsType)),
                lookup.findVirtual(flagsType, "asByte", MethodType.methodType(byte.class)))
            .asType(MethodType.methodType(byte.class, Object.class));
    recording = virtual(lookup, span, "isRecording", boolean.class);
    setLong =
        lookup
            .findVirtual(
                span, "setAttribute", MethodType.methodType(span, String.class, long.class))
            .asType(MethodType.methodType(void.class, Object.class, String.class, long.class));
    setText =
        lookup
            .findVirtual(
                span, "setAttribute", MethodType.methodType(span, String.class, String.class))
            .asType(MethodType.methodType(void.class, Object.class, String.class, String.class));
    setFlag =
        lookup
            .findVirtual(
                span, "setAttribute", MethodType.methodType(span, String.class, boolean.class))
            .asType(MethodType.methodType(void.class, Object.class, String.class, boolean.class));
    String api = span.getName().substring(0, span.getName().length() - "trace.Span".length());
    attributes = Class.forName(api + "common.Attributes", false, span.getClassLoader());
    addEvent =
        lookup
            .findVirtual(
                span,
                "addEvent",
                MethodType.methodType(span, String.class, attributes, long.class, TimeUnit.class))
            .asType(
                MethodType.methodType(
                    void.class,
                    Object.class,
                    String.class,
                    Object.class,
                    long.class,
                    TimeUnit.class));
    Class<?> key = Class.forName(api + "common.AttributeKey", false, span.getClassLoader());
    longKey = key(lookup, key, "longKey");
    textKey = key(lookup, key, "stringKey");
    Class<?> readable = named(type, READABLE);
    getAttribute =
        readable == null
            ? null
            : lookup
                .findVirtual(readable, "getAttribute", MethodType.methodType(Object.class, key))
                .asType(MethodType.methodType(Object.class, Object.class, Object.class));
  }

  /** The interface of that name, relocated or not, among all that a class has. */
  private static @Nullable Class<?> named(Class<?> type, String name) {
    Deque<Class<?>> open = new ArrayDeque<>();
    for (Class<?> c = type; c != null; c = c.getSuperclass()) {
      open.add(c);
    }
    while (!open.isEmpty()) {
      Class<?> next = open.remove();
      if (next.isInterface() && next.getName().endsWith(name)) {
        return next;
      }
      for (Class<?> parent : next.getInterfaces()) {
        open.add(parent);
      }
    }
    return null;
  }

  private static Class<?> sibling(Class<?> type, String name) throws ClassNotFoundException {
    return Class.forName(type.getPackageName() + "." + name, false, type.getClassLoader());
  }

  private static MethodHandle virtual(Lookup lookup, Class<?> owner, String name, Class<?> result)
      throws ReflectiveOperationException {
    MethodHandle handle = lookup.findVirtual(owner, name, MethodType.methodType(result));
    Class<?> erased = result.isPrimitive() || result == String.class ? result : Object.class;
    return handle.asType(MethodType.methodType(erased, Object.class));
  }

  private static MethodHandle key(Lookup lookup, Class<?> key, String factory)
      throws ReflectiveOperationException {
    return lookup
        .findStatic(key, factory, MethodType.methodType(key, String.class))
        .asType(MethodType.methodType(Object.class, String.class));
  }

  static SpanApi of(Object span) {
    return BY_CLASS.get(span.getClass());
  }

  /** Its ids as our own copy of the API has them; may be invalid. */
  SpanContext ids(Object span) {
    try {
      Object ids = (Object) context.invokeExact(span);
      return SpanContext.create(
          (String) traceId.invokeExact(ids),
          (String) spanId.invokeExact(ids),
          TraceFlags.fromByte((byte) flags.invokeExact(ids)),
          TraceState.getDefault());
    } catch (Throwable t) {
      throw ContextApi.rethrow(t);
    }
  }

  boolean isRecording(Object span) {
    try {
      return (boolean) recording.invokeExact(span);
    } catch (Throwable t) {
      throw ContextApi.rethrow(t);
    }
  }

  void set(Object span, String key, long value) {
    try {
      setLong.invokeExact(span, key, value);
    } catch (Throwable t) {
      throw ContextApi.rethrow(t);
    }
  }

  void set(Object span, String key, String value) {
    try {
      setText.invokeExact(span, key, value);
    } catch (Throwable t) {
      throw ContextApi.rethrow(t);
    }
  }

  void set(Object span, String key, boolean value) {
    try {
      setFlag.invokeExact(span, key, value);
    } catch (Throwable t) {
      throw ContextApi.rethrow(t);
    }
  }

  /** Adds an event whose attributes are texts and whole numbers. */
  void addEvent(
      Object span, String name, io.opentelemetry.api.common.Attributes values, long epochNanos) {
    try {
      // Rare, so found anew each time.
      Object builder = attributes.getMethod("builder").invoke(null);
      Class<?> type = attributes.getMethod("builder").getReturnType();
      values.forEach(
          (key, value) -> {
            try {
              if (value instanceof Long number) {
                type.getMethod("put", String.class, long.class)
                    .invoke(builder, key.getKey(), number);
              } else {
                type.getMethod("put", String.class, String.class)
                    .invoke(builder, key.getKey(), String.valueOf(value));
              }
            } catch (ReflectiveOperationException e) {
              throw new IllegalStateException(e);
            }
          });
      Object built = type.getMethod("build").invoke(builder);
      addEvent.invokeExact(span, name, built, epochNanos, TimeUnit.NANOSECONDS);
    } catch (Throwable t) {
      throw ContextApi.rethrow(t);
    }
  }

  /** An attribute that the span has so far, 0 if it has none or cannot be read. */
  long number(Object span, String key) {
    return attribute(span, longKey, key) instanceof Long number ? number : 0;
  }

  /** The same of a text, null if there is none. */
  @Nullable String text(Object span, String key) {
    return attribute(span, textKey, key) instanceof String text ? text : null;
  }

  private @Nullable Object attribute(Object span, MethodHandle type, String key) {
    MethodHandle get = getAttribute;
    if (get == null) {
      return null;
    }
    try {
      Object attributeKey = (Object) type.invokeExact(key);
      return (Object) get.invokeExact(span, attributeKey);
    } catch (Throwable t) {
      throw ContextApi.rethrow(t);
    }
  }
}
