package dev.underspan.instrument;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import net.bytebuddy.asm.Advice;

/**
 * Netty's event loops: the context goes with a task, and so with what another thread writes to a
 * channel, which is such a task. Netty may be moved into a package of gRPC's.
 */
final class EventLoopInstrumentation {
  static final List<Hook> HOOKS = hooks("io.netty.", "io.grpc.netty.shaded.io.netty.");

  private EventLoopInstrumentation() {}

  private static List<Hook> hooks(String... prefixes) {
    List<Hook> hooks = new ArrayList<>();
    for (String prefix : prefixes) {
      String loop = prefix + "util.concurrent.SingleThreadEventExecutor";
      String scheduler = prefix + "util.concurrent.AbstractScheduledEventExecutor";
      hooks.add(Hook.of(loop, "execute", "(Ljava/lang/Runnable;Z)V", Execute.class));
      hooks.add(
          Hook.of(
              loop,
              "removeTask",
              "(Ljava/lang/Runnable;)",
              ExecutorInstrumentation.PoolRemove.class));
      hooks.add(
          Hook.of(
              loop, "reject", "(Ljava/lang/Runnable;)", ExecutorInstrumentation.PoolReject.class));
      hooks.add(
          Hook.of(scheduler, "schedule", "(Ljava/lang/Runnable;JLjava/", ScheduleRunnable.class));
      hooks.add(
          Hook.of(
              scheduler,
              "schedule",
              "(Ljava/util/concurrent/Callable;JLjava/",
              ScheduleCallable.class));
      // Their threads serve everybody, whoever comes first.
      Class<?> starts = ExecutorInstrumentation.PoolAddWorker.class;
      hooks.add(Hook.of(loop, "doStartThread", "()V", starts));
      hooks.add(
          Hook.of(prefix + "util.concurrent.GlobalEventExecutor", "startThread", "()V", starts));
      hooks.add(Hook.of(prefix + "util.HashedWheelTimer", "start", "()V", starts));
    }
    return List.copyOf(hooks);
  }

  static final class Execute {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 0, readOnly = false) Runnable task) {
      task = Underspan.wrapForLoop(task);
    }
  }

  static final class ScheduleRunnable {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 0, readOnly = false) Runnable task) {
      task = Underspan.wrapForLoopLater(task);
    }
  }

  static final class ScheduleCallable {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 0, readOnly = false) Callable<?> task) {
      task = Underspan.wrap(task);
    }
  }
}
