package dev.underspan.instrument;

import java.util.List;
import net.bytebuddy.asm.Advice;

/**
 * Says why a thread is about to block, where the kernel cannot tell. No exception handlers: a class
 * load there would be one too many, and Underspan never throws. Native methods (Thread.sleep and
 * Object.wait of JDK 17) take no advice; the kernel's side knows them otherwise.
 */
final class BlockingInstrumentation {
  private static final String LOCK_SUPPORT = "java.util.concurrent.locks.LockSupport";
  private static final String POLLER = "sun.nio.ch.Poller";

  static final List<Hook> HOOKS =
      List.of(
          Hook.of(LOCK_SUPPORT, "park|parkNanos|parkUntil", "(Ljava/lang/Object;", ParkedBy.class),
          Hook.of(LOCK_SUPPORT, "park", "()", Waiting.class),
          Hook.of(LOCK_SUPPORT, "parkNanos|parkUntil", "(J", Waiting.class),
          Hook.of("java.lang.Thread", "sleep", null, Sleeping.class),
          Hook.of("java.lang.Object", "wait", null, Waiting.class),
          // How a virtual thread waits for a socket.
          Hook.of(POLLER, "poll", "(IIJ", Polling.class),
          Hook.of(POLLER, "pollSelector", null, Polling.class));

  private BlockingInstrumentation() {}

  static final class ParkedBy {
    @Advice.OnMethodEnter
    static boolean enter(@Advice.Argument(0) Object blocker) {
      return Underspan.parking(blocker);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class)
    static void exit(@Advice.Enter boolean announced) {
      if (announced) {
        Underspan.unblocked();
      }
    }
  }

  static final class Waiting {
    @Advice.OnMethodEnter
    static boolean enter() {
      return Underspan.blocking(Underspan.WAIT);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class)
    static void exit(@Advice.Enter boolean announced) {
      if (announced) {
        Underspan.unblocked();
      }
    }
  }

  static final class Sleeping {
    @Advice.OnMethodEnter
    static boolean enter() {
      return Underspan.blocking(Underspan.SLEEP);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class)
    static void exit(@Advice.Enter boolean announced) {
      if (announced) {
        Underspan.unblocked();
      }
    }
  }

  static final class Polling {
    @Advice.OnMethodEnter
    static boolean enter() {
      return Underspan.blocking(Underspan.NETWORK);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class)
    static void exit(@Advice.Enter boolean announced) {
      if (announced) {
        Underspan.unblocked();
      }
    }
  }
}
