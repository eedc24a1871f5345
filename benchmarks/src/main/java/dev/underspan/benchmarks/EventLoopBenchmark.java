package dev.underspan.benchmarks;

import io.netty.channel.DefaultEventLoop;
import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Tasks of Netty's event loop, each of which hands the next one over, in a JVM with or without the
 * agent. The loop never waits, so that its queue and what advice adds are all there is: with a span
 * that is one scope a task, which the loop's thread has not had before.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Benchmark)
public class EventLoopBenchmark {
  private static final int TASKS = 50_000;

  /** Whether the first one is handed over in a request, so that with the agent all have a span. */
  @Param({"true", "false"})
  public boolean request;

  private InRequest inRequest;
  private DefaultEventLoop loop;

  /** The loop and the server. */
  @Setup
  public void start() throws Throwable {
    loop = new DefaultEventLoop();
    inRequest = new InRequest(this::handOn);
  }

  /** Of both. */
  @TearDown
  public void stop() throws InterruptedException {
    inRequest.close();
    loop.shutdownGracefully(0, 1, TimeUnit.SECONDS).await();
  }

  private final class Task implements Runnable {
    private final CountDownLatch done = new CountDownLatch(1);
    private int left = TASKS;

    @Override
    public void run() {
      if (--left == 0) {
        done.countDown();
      } else {
        loop.execute(this);
      }
    }
  }

  private void handOn() {
    Task task = new Task();
    loop.execute(task);
    try {
      task.done.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** One task handed over and run. */
  @Benchmark
  @OperationsPerInvocation(TASKS)
  public int handOver() throws IOException {
    if (request) {
      return inRequest.run();
    }
    handOn();
    return 0;
  }
}
