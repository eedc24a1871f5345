package dev.underspan.instrument;

import java.util.Collection;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ThreadPoolExecutor;
import net.bytebuddy.asm.Advice;
import net.bytebuddy.implementation.bytecode.assign.Assigner;

/** Carries the context with a task to the thread that runs it. */
final class ExecutorInstrumentation {
  private static final String POOL = "java.util.concurrent.ThreadPoolExecutor";

  /** The pool of XNIO, and so of Undertow and WildFly, and of Quarkus. */
  private static final String JBOSS = "org.jboss.threads.EnhancedQueueExecutor";

  private static final String FORK_JOIN = "java.util.concurrent.ForkJoinPool";
  private static final String COMPLETABLE = "java.util.concurrent.CompletableFuture";
  private static final String SCHEDULED =
      "java.util.concurrent.ScheduledThreadPoolExecutor$ScheduledFutureTask";

  private static final String OUTER = "(Ljava/util/concurrent/ScheduledThreadPoolExecutor;";

  static final List<Hook> HOOKS =
      List.of(
          Hook.of("java.util.concurrent.FutureTask", "<init>", null, NewFutureTask.class),
          // The constructor with one more long is that of periodic tasks.
          Hook.of(
              SCHEDULED,
              "<init>",
              OUTER + "Ljava/lang/Runnable;Ljava/lang/Object;JJ)",
              Delayed.class),
          Hook.of(
              SCHEDULED,
              "<init>",
              OUTER + "Ljava/util/concurrent/Callable;",
              DelayedCallable.class),
          Hook.of(POOL, "execute", null, PoolExecute.class),
          Hook.of(POOL, "remove", null, PoolRemove.class),
          Hook.of(POOL, "reject", null, PoolReject.class),
          Hook.of(POOL, "drainQueue", null, PoolDrain.class),
          Hook.of(POOL, "addWorker", null, PoolAddWorker.class),
          new Hook(POOL, "runWorker", null, "dev.underspan.instrument.UnwrapInRunWorker"),
          Hook.of(JBOSS, "execute", "(Ljava/lang/Runnable;)", JBossExecute.class),
          Hook.of(JBOSS, "doStartThread", null, PoolAddWorker.class),
          Hook.of(FORK_JOIN, "execute|submit", "(Ljava/lang/Runnable;", ForkJoinRunnable.class),
          Hook.of(FORK_JOIN, "submit", "(Ljava/util/concurrent/Callable;)", ForkJoinCallable.class),
          Hook.of(FORK_JOIN, "invokeAll|invokeAny", "(Ljava/util/Collection;", ForkJoinAll.class),
          Hook.of(COMPLETABLE, "asyncSupplyStage|asyncRunStage", null, Stage.class),
          Hook.of(
              COMPLETABLE,
              "uni(Apply|Accept|Run|WhenComplete|Handle|Exceptionally"
                  + "|ComposeExceptionally|Compose)Stage",
              "(Ljava/util/concurrent/Executor;Ljava/",
              Stage.class),
          Hook.of(COMPLETABLE, "(bi|or)(Apply|Accept|Run)Stage", null, BiStage.class));

  private ExecutorInstrumentation() {}

  static final class NewFutureTask {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(
        @Advice.This Object self,
        @Advice.FieldValue(value = "callable", readOnly = false) Callable<?> callable) {
      if (!(self instanceof ScheduledFuture)) {
        callable = Underspan.wrap(callable);
      }
    }
  }

  static final class Delayed {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 1, readOnly = false) Runnable task) {
      task = Underspan.wrapDelayed(task);
    }
  }

  static final class DelayedCallable {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 1, readOnly = false) Callable<?> task) {
      task = Underspan.wrap(task);
    }
  }

  static final class PoolExecute {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.This ThreadPoolExecutor pool,
        @Advice.Argument(value = 0, readOnly = false) Runnable task) {
      task = Underspan.wrapForPool(task, pool.getQueue());
    }
  }

  static final class PoolRemove {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 0, readOnly = false) Runnable task) {
      task = Underspan.sought(task);
    }
  }

  static final class PoolReject {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 0, readOnly = false) Runnable task) {
      task = Underspan.unwrap(task);
    }
  }

  static final class PoolDrain {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(@Advice.Return List<Runnable> tasks) {
      Underspan.unwrapAll(tasks);
    }
  }

  static final class PoolAddWorker {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter() {
      Underspan.startingServant(true);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit() {
      Underspan.startingServant(false);
    }
  }

  static final class JBossExecute {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 0, readOnly = false) Runnable task) {
      task = Underspan.wrapDelayed(task); // a FutureTask has its context itself
    }
  }

  static final class ForkJoinRunnable {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 0, readOnly = false) Runnable task) {
      task = Underspan.wrapForForkJoin(task);
    }
  }

  static final class ForkJoinCallable {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 0, readOnly = false) Callable<?> task) {
      task = Underspan.wrap(task);
    }
  }

  static final class ForkJoinAll {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.Argument(value = 0, readOnly = false)
            Collection<? extends Callable<Object>> tasks) {
      tasks = Underspan.wrapAll(tasks);
    }
  }

  static final class Stage {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.Argument(value = 1, readOnly = false, typing = Assigner.Typing.DYNAMIC)
            Object function) {
      function = Underspan.wrapStage(function);
    }
  }

  static final class BiStage {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.Argument(value = 2, readOnly = false, typing = Assigner.Typing.DYNAMIC)
            Object function) {
      function = Underspan.wrapStage(function);
    }
  }
}
