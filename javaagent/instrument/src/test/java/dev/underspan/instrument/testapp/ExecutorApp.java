package dev.underspan.instrument.testapp;

import static dev.underspan.instrument.testapp.Probe.check;
import static dev.underspan.instrument.testapp.Probe.recorded;

import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** Hand-off through the JDK's executors. */
@SuppressWarnings("FutureReturnValueIgnored")
public final class ExecutorApp {
  private ExecutorApp() {}

  private static final class Named implements Runnable {
    @Override
    public void run() {}
  }

  public static void main(String[] args) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(2);
    Probe.context("a");
    recorded("submit", "a", pool.submit(() -> Probe.context()).get());
    CompletableFuture<String> seen = new CompletableFuture<>();
    pool.execute(() -> seen.complete(Probe.context()));
    recorded("execute", "a", seen.get());
    recorded("invokeAll", "a", pool.invokeAll(List.of(Probe::context)).get(0).get());
    ForkJoinPool forkJoin = new ForkJoinPool(2);
    recorded("fj submit", "a", forkJoin.submit(() -> Probe.context()).get());
    CompletableFuture<String> fj = new CompletableFuture<>();
    forkJoin.execute(() -> fj.complete(Probe.context()));
    recorded("fj execute", "a", fj.get());
    recorded("fj invokeAll", "a", forkJoin.invokeAll(List.of(Probe::context)).get(0).get());
    recorded("supplyAsync", "a", CompletableFuture.supplyAsync(Probe::context).get());
    CompletableFuture<String> source = new CompletableFuture<>();
    CompletableFuture<String> then = source.thenApply(x -> Probe.context());
    CompletableFuture<String> thenAsync = source.thenApplyAsync(x -> Probe.context(), pool);
    CompletableFuture<String> both = source.thenCombine(fj, (x, y) -> Probe.context());
    CompletableFuture<String> handled = source.handle((x, y) -> Probe.context());
    CompletableFuture<String> composed =
        source.thenCompose(x -> CompletableFuture.completedFuture(Probe.context()));
    Probe.context("b");
    source.complete("x");
    recorded("thenApply", "a", then.get());
    recorded("thenApplyAsync", "a", thenAsync.get());
    recorded("thenCombine", "a", both.get());
    recorded("handle", "a", handled.get());
    recorded("thenCompose", "a", composed.get());
    recorded("restored", "b", Probe.context());
    ScheduledExecutorService timer = Executors.newScheduledThreadPool(1);
    recorded(
        "schedule", "b", timer.schedule(() -> Probe.context(), 5, TimeUnit.MILLISECONDS).get());
    CompletableFuture<String> delayed = new CompletableFuture<>();
    timer.schedule(() -> delayed.complete(Probe.context()), 5, TimeUnit.MILLISECONDS);
    recorded("schedule runnable", "b", delayed.get());
    CompletableFuture<String> periodic = new CompletableFuture<>();
    timer.scheduleAtFixedRate(
        () -> periodic.complete(Probe.context()), 1, 5, TimeUnit.MILLISECONDS);
    recorded("periodic", "null", periodic.get());
    Probe.context(null);
    recorded("clean worker", "null", pool.submit(() -> Probe.context()).get());
    removal();
    hooks();
    timer.shutdownNow();
    pool.shutdown();
    forkJoin.shutdown();
    System.out.println("DONE");
  }

  private static void removal() throws Exception {
    CountDownLatch hold = new CountDownLatch(1);
    ThreadPoolExecutor pool =
        new ThreadPoolExecutor(1, 1, 1, TimeUnit.SECONDS, new LinkedBlockingQueue<>());
    Probe.context("r");
    pool.execute(
        () -> {
          try {
            hold.await();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
    Runnable queued = new Named();
    Runnable other = new Named();
    pool.execute(queued);
    pool.execute(other);
    check("remove", true, pool.remove(queued));
    check("removed", false, pool.remove(queued));
    List<Runnable> left = pool.shutdownNow();
    check("left", true, left.size() == 1 && left.get(0) == other);
    hold.countDown();
    Probe.context(null);
  }

  private static void hooks() throws Exception {
    CompletableFuture<Boolean> before = new CompletableFuture<>();
    CompletableFuture<Boolean> after = new CompletableFuture<>();
    CompletableFuture<Boolean> rejected = new CompletableFuture<>();
    ThreadPoolExecutor pool =
        new ThreadPoolExecutor(
            1,
            1,
            1,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(1),
            (task, p) -> rejected.complete(task instanceof Named)) {
          @Override
          protected void beforeExecute(Thread thread, Runnable task) {
            before.complete(task instanceof Named);
          }

          @Override
          protected void afterExecute(Runnable task, Throwable error) {
            after.complete(task instanceof Named);
          }
        };
    Probe.context("h");
    pool.execute(new Named());
    check("beforeExecute", true, before.get());
    check("afterExecute", true, after.get());
    pool.shutdown();
    pool.execute(new Named());
    check("rejected", true, rejected.get());
    Probe.context(null);
  }
}
