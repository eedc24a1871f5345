package dev.underspan.benchmarks;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Small reads of an accepted socket, of what is there already and is no HTTP request, in a JVM with
 * or without the agent: a system call each, what the kernel's programs make of it, and the look at
 * what was read, for the sake of servers that no other advice knows.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Benchmark)
public class SocketReadBenchmark {
  private static final int READS = 128;
  private static final int BYTES = 64;

  private final byte[] bytes = new byte[READS * BYTES];
  private final byte[] into = new byte[BYTES];
  private ServerSocket listener;
  private Socket client;
  private Socket accepted;
  private OutputStream out;
  private InputStream in;

  /** Both ends; with the agent, when that is ready. */
  @Setup
  public void connect() throws Throwable {
    InRequest.awaitAgent();
    listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    client = new Socket(listener.getInetAddress(), listener.getLocalPort());
    client.setTcpNoDelay(true);
    accepted = listener.accept();
    out = client.getOutputStream();
    in = accepted.getInputStream();
  }

  /** Of both. */
  @TearDown
  public void close() throws IOException {
    client.close();
    accepted.close();
    listener.close();
  }

  /** One read; the write is shared by 128 of them. */
  @Benchmark
  @OperationsPerInvocation(READS)
  public int read() throws IOException {
    out.write(bytes);
    int sum = 0;
    while (sum < bytes.length) {
      sum += in.read(into);
    }
    return sum;
  }
}
