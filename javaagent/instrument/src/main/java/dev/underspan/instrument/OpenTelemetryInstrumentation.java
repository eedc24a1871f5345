package dev.underspan.instrument;

import java.util.List;
import net.bytebuddy.asm.Advice;

/**
 * Another OpenTelemetry in the process: the official agent's, whose API is relocated, or an
 * application's own. Its context says which span is current; its SDK, when spans begin and end.
 * Named exactly: copies that a library has relocated for itself are its private affair. Advice
 * names no type of theirs.
 */
final class OpenTelemetryInstrumentation {
  private static final String STORAGE = "io.opentelemetry.context.ThreadLocalContextStorage";
  private static final String RELOCATED = "io.opentelemetry.javaagent.shaded.";
  private static final String SPAN = "io.opentelemetry.sdk.trace.SdkSpan";

  static final List<Hook> HOOKS =
      List.of(
          Hook.of(STORAGE, "attach", null, Attach.class),
          Hook.of(RELOCATED + STORAGE, "attach", null, Attach.class),
          Hook.of(STORAGE + "$ScopeImpl", "close", "()V", Close.class),
          Hook.of(RELOCATED + STORAGE + "$ScopeImpl", "close", "()V", Close.class),
          Hook.of(SPAN, "<init>", null, Start.class),
          Hook.of(SPAN, "endInternal", "(J)V", End.class),
          Hook.of("io.opentelemetry.sdk.trace.SdkTracerProvider", "<init>", null, Provider.class));

  private OpenTelemetryInstrumentation() {}

  static final class Attach {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(
        @Advice.Origin Class<?> storage,
        @Advice.Argument(0) Object context,
        @Advice.Return Object scope) {
      Underspan.contextAttached(storage, context, scope);
    }
  }

  static final class Close {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static boolean enter(@Advice.FieldValue("closed") boolean closed) {
      return closed;
    }

    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(
        @Advice.This Object scope,
        @Advice.Enter boolean before,
        @Advice.FieldValue("closed") boolean closed) {
      // One that is not the current context's is ignored there, and stays open.
      if (closed && !before) {
        Underspan.contextClosed(scope);
      }
    }
  }

  static final class Start {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(
        @Advice.This Object span,
        @Advice.FieldValue("kind") Object kind,
        @Advice.FieldValue("startEpochNanos") long startEpochNanos) {
      Underspan.spanStarted(span, kind, startEpochNanos);
    }
  }

  static final class End {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.This Object span, @Advice.Argument(0) long endEpochNanos) {
      Underspan.spanEnding(span, endEpochNanos);
    }
  }

  static final class Provider {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(@Advice.This Object provider, @Advice.AllArguments Object[] arguments) {
      Underspan.tracerProviderBuilt(provider, arguments);
    }
  }
}
