package dev.underspan.benchmarks;

import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
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
 * Two virtual threads that wake each other in turn, in a JVM with or without the agent: a hand-over
 * is one unpark, one park, one unmount and one mount. A measurement of the whole, advice included;
 * needs JDK 21 or newer, {@code -Djdk.virtualThreadScheduler.parallelism=1}, and {@code -javaagent}
 * where that is what is measured. Target: 0 bytes more with the agent than without.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Benchmark)
public class VirtualThreadBenchmark {
  private static final int HANDOVERS = 50_000;

  /** Whether the threads are started in a request, so that with the agent they have a span. */
  @Param({"true", "false"})
  public boolean request;

  private MethodHandle startVirtual;
  private InRequest inRequest;

  /** The server; with the agent, waits until that is ready. */
  @Setup
  public void start() throws Throwable {
    startVirtual =
        MethodHandles.publicLookup()
            .findStatic(
                Thread.class,
                "startVirtualThread",
                MethodType.methodType(Thread.class, Runnable.class));
    inRequest = new InRequest(this::playBall);
  }

  /** The server. */
  @TearDown
  public void stop() {
    inRequest.close();
  }

  private static final class Player implements Runnable {
    private final int parity;
    private final Ball ball;
    private volatile Thread partner;

    Player(int parity, Ball ball) {
      this.parity = parity;
      this.ball = ball;
    }

    @Override
    public void run() {
      for (int turn = parity; turn < HANDOVERS; turn += 2) {
        while (ball.turn != turn) {
          LockSupport.park();
        }
        ball.turn = turn + 1;
        LockSupport.unpark(partner);
      }
    }
  }

  private static final class Ball {
    volatile int turn = -1;
  }

  private void playBall() {
    try {
      Ball ball = new Ball();
      Player even = new Player(0, ball);
      Player odd = new Player(1, ball);
      Thread first = (Thread) startVirtual.invoke((Runnable) even);
      Thread second = (Thread) startVirtual.invoke((Runnable) odd);
      even.partner = second;
      odd.partner = first;
      ball.turn = 0;
      LockSupport.unpark(first);
      first.join();
      second.join();
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /** One hand-over. Target: 0 bytes more with the agent than without. */
  @Benchmark
  @OperationsPerInvocation(HANDOVERS)
  public int handOver() throws IOException {
    if (!request) {
      playBall();
      return 0;
    }
    return inRequest.run();
  }
}
