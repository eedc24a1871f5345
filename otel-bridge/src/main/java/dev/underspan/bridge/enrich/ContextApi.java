package dev.underspan.bridge.enrich;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import org.jspecify.annotations.Nullable;

/**
 * How to get at the span in a context of one copy of OpenTelemetry's API, found by the class that
 * keeps its contexts. Never throws; a copy that is not as expected has no spans for us.
 */
final class ContextApi {
  private static final String CONTEXT = "context.Context";
  private static final String SPAN = "api.trace.Span";

  private static final ClassValue<ContextApi> BY_STORAGE =
      new ClassValue<>() {
        @Override
        protected ContextApi computeValue(Class<?> storage) {
          return new ContextApi(storage);
        }
      };

  private final @Nullable MethodHandle spanOf;

  private ContextApi(Class<?> storage) {
    MethodHandle handle = null;
    String name = storage.getName();
    int at = name.lastIndexOf("context.");
    try {
      // Both are loaded already: whoever uses contexts here has them linked.
      ClassLoader loader = storage.getClassLoader();
      String prefix = name.substring(0, Math.max(at, 0));
      Class<?> context = Class.forName(prefix + CONTEXT, false, loader);
      Class<?> span = Class.forName(prefix + SPAN, false, loader);
      handle =
          MethodHandles.publicLookup()
              .findStatic(span, "fromContextOrNull", MethodType.methodType(span, context))
              .asType(MethodType.methodType(Object.class, Object.class));
    } catch (ReflectiveOperationException | LinkageError e) {
      // The context library may be used without the tracing API.
    }
    spanOf = handle;
  }

  static ContextApi of(Class<?> storage) {
    return BY_STORAGE.get(storage);
  }

  /** The span of a context, null if it has none. */
  @Nullable Object span(Object context) {
    MethodHandle handle = spanOf;
    if (handle == null) {
      return null;
    }
    try {
      return (Object) handle.invokeExact(context);
    } catch (Throwable t) {
      throw rethrow(t);
    }
  }

  /** Counted where advice calls us. */
  static RuntimeException rethrow(Throwable t) {
    if (t instanceof Error error) {
      throw error;
    }
    return t instanceof RuntimeException e ? e : new IllegalStateException(t);
  }
}
