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
          Hook.of(VIRTUAL, "mount", "()V", Mounting.class),
          Hook.of(VIRTUAL, "unmount", "()V", Unmounting.class),
          Hook.of(
              VIRTUAL,
              "submitRunContinuation|(lazy|external)SubmitRunContinuation.*",
              null,
              Resumed.class),
          Hook.of(VIRTUAL, "run", "(Ljava/lang/Runnable;)V", VirtualEnded.class),
          Hook.of("java.lang.Thread", "exit", "()V", Ended.class),
          // The first virtual thread that waits for a socket starts them.
          Hook.of("sun.nio.ch.Poller$Pollers", "start", "()V", PollersStarted.class));

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

  static final class PollersStarted {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter() {
      Underspan.startingServant(true);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit() {
      Underspan.startingServant(false);
    }
  }

  /**
   * On the carrier, which is still the current thread. In this advice and the two that follow: no
   * exception handler, since a class load there would be one too many, and Underspan never throws.
   */
  static final class Mounting {
    @Advice.OnMethodEnter
    static void enter(@Advice.This Thread thread) {
      Underspan.carrierMount(thread);
    }
  }

  /** Before the JVM lets it go; the virtual thread is still the current one. */
  static final class Unmounting {
    @Advice.OnMethodEnter
    static void enter(@Advice.This Thread thread) {
      Underspan.carrierUnmount(thread);
    }
  }

  /** Before any carrier can take it; on whichever thread makes it runnable. */
  static final class Resumed {
    @Advice.OnMethodEnter
    static void enter(@Advice.This Thread thread) {
      Underspan.virtualRunnable(thread);
    }
  }

  static final class VirtualEnded {
    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.This Thread thread) {
      Underspan.threadEnded(thread);
    }
  }

  /** The JVM's own call at a platform thread's end. */
  static final class Ended {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.This Thread thread) {
      Underspan.threadEnded(thread);
    }
  }
}
