package dev.underspan.instrument;

import java.util.List;
import net.bytebuddy.asm.Advice;

/** Starts of threads, and virtual threads on and off their carriers. */
final class ThreadInstrumentation {
  private static final String VIRTUAL = "java.lang.VirtualThread";

  static final List<Hook> HOOKS =
      List.of(
          Hook.of("java.lang.Thread", "start", null, Started.class),
          Hook.of(VIRTUAL, "start", "(Ljdk/internal/vm/ThreadContainer;)V", VirtualStarted.class),
          Hook.of(VIRTUAL, "runContinuation", "()V", Continuation.class),
          Hook.of(VIRTUAL, "run", "(Ljava/lang/Runnable;)V", VirtualEnded.class));

  private ThreadInstrumentation() {}

  static final class Started {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.This Thread thread) {
      Underspan.threadStarting(thread);
    }
  }

  static final class VirtualStarted {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.This Thread thread) {
      Underspan.virtualThreadStarting(thread);
    }
  }

  /** No exception handler: a class load there would be one too many, and Underspan never throws. */
  static final class Continuation {
    @Advice.OnMethodEnter
    static void enter(@Advice.This Thread thread) {
      Underspan.carrierMount(thread);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class)
    static void exit(@Advice.This Thread thread) {
      Underspan.carrierUnmount(thread);
    }
  }

  static final class VirtualEnded {
    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.This Thread thread) {
      Underspan.virtualThreadEnded(thread);
    }
  }
}
