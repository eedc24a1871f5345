package dev.underspan.benchmarks;

import dev.underspan.abi.Layout;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.correlate.SocketEvents;
import dev.underspan.bridge.enrich.ClientOwners;
import dev.underspan.bridge.wire.WireCounters;
import dev.underspan.host.KernelProbes;
import dev.underspan.host.RingReader;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/**
 * Reads events of real sockets: as fast as they can be read, beside a consumer in C of the same
 * ring buffer, and at given rates, to see how many are lost. Targets: 0.9 of the other's rate; none
 * lost at 100 000 a second.
 */
public final class RingRate {
  private static final int ROUNDS = 31;
  private static final int WARM_UP = 200;
  private static final int FILL = 4000; // fits
  private static final int SECONDS = 3;
  private static final long POLL_NS = 5_000_000; // as the agent does
  private static final byte[] REQUEST =
      """
      GET /price/17 HTTP/1.1
      Host: localhost:8083
      traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01

      """
          .replace("\n", "\r\n")
          .getBytes(StandardCharsets.US_ASCII);
  private static final byte[] ANSWER =
      "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"price\":1}"
          .getBytes(StandardCharsets.US_ASCII);

  private final KernelProbes probes;
  private final RingReader ring;
  private final byte[] payload = new byte[Layout.PAYLOAD_WIDE];
  private long sum;

  private RingRate(KernelProbes probes) {
    this.probes = probes;
    RingReader events = probes.events();
    if (events == null) {
      throw new IllegalStateException("no socket events here: " + probes.socketsMissing());
    }
    this.ring = events;
  }

  /** Takes the path of the consumer in C. */
  public static void main(String[] args) throws Exception {
    KernelProbes probes = MappedLedger.load();
    Process other =
        new ProcessBuilder(args[0]).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    try (BufferedReader answers = other.inputReader();
        PrintStream commands = new PrintStream(other.getOutputStream(), true)) {
      if (!"ready".equals(answers.readLine())) {
        throw new IllegalStateException("the consumer in C did not start");
      }
      new RingRate(probes).run(commands, answers);
    } finally {
      other.destroy();
      probes.close();
    }
  }

  private void take(SocketEvent event) {
    sum += event.ns() + event.type() + event.cookie() + event.total();
    event.payload(payload);
  }

  private void run(PrintStream commands, BufferedReader answers) throws Exception {
    try (Exchanges exchanges = new Exchanges()) {
      for (int round = 0; round < WARM_UP; round++) {
        exchanges.make(FILL);
        ring.drain(this::take);
      }
      double[] here = new double[ROUNDS];
      double[] there = new double[ROUNDS];
      for (int round = 0; round < ROUNDS; round++) {
        exchanges.make(FILL);
        long begin = System.nanoTime();
        int count = ring.drain(this::take);
        here[round] = (double) (System.nanoTime() - begin) / count;
        exchanges.make(FILL);
        commands.println("drain");
        String[] answer = answers.readLine().split(" ", 2);
        there[round] = (double) Long.parseLong(answer[1]) / Long.parseLong(answer[0]);
      }
      Arrays.sort(here);
      Arrays.sort(there);
      double java = here[ROUNDS / 2];
      double c = there[ROUNDS / 2];
      System.out.printf(
          "reading a ring buffer with %d events, ns an event, median of %d: %.0f here, %.0f in C by"
              + " libbpf; rate %.2f of C's (target 0.9)%n",
          FILL, ROUNDS, java, c, c / java);
      SocketEvents parsers =
          new SocketEvents(call -> sum += call.endNs(), new ClientOwners(), new WireCounters());
      for (int rate : new int[] {50_000, 100_000, 200_000, 0}) {
        atRate(exchanges, rate, "calls read", () -> poll(parsers));
        atRate(
            exchanges,
            rate,
            "C",
            () -> {
              commands.println("poll " + SECONDS);
              answers.readLine();
              commands.println("drain");
              answers.readLine();
            });
      }
    }
  }

  private interface Reading {
    void run() throws IOException;
  }

  private void poll(Consumer<SocketEvent> sink) {
    long until = System.nanoTime() + SECONDS * 1_000_000_000L;
    while (System.nanoTime() < until) {
      if (ring.drain(sink) == 0) {
        LockSupport.parkNanos(POLL_NS);
      }
    }
    ring.drain(sink);
  }

  private void atRate(Exchanges exchanges, int rate, String who, Reading reading)
      throws IOException {
    long lost = probes.lostEvents();
    long seen = probes.counters().get("events_seen");
    exchanges.at(rate);
    reading.run();
    exchanges.at(-1);
    double seconds = SECONDS;
    long all = probes.counters().get("events_seen") - seen;
    System.out.printf(
        "%s events a second wanted, %.0f made, %-10s: %d of %d lost%n",
        rate == 0 ? "as many as can be" : rate,
        all / seconds,
        who,
        probes.lostEvents() - lost,
        all);
    ring.drain(this::take);
  }

  /** Client and server on one thread, four events an exchange. */
  private static final class Exchanges implements AutoCloseable {
    private static final int EVENTS = 4;
    private final SocketChannel client;
    private final SocketChannel server;
    private final AtomicLong wanted = new AtomicLong();
    private final Thread thread = new Thread(this::run, "exchanges");

    /** Events a second; 0: as many as can be; -1: none. */
    private volatile int rate = -1;

    private volatile boolean over;
    private volatile IOException failed;

    Exchanges() throws IOException {
      try (ServerSocketChannel listener = ServerSocketChannel.open()) {
        listener.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        client = SocketChannel.open(listener.getLocalAddress());
        server = listener.accept();
      }
      thread.start();
    }

    /** So many events, and no more. */
    void make(int events) throws IOException {
      wanted.set(events / EVENTS);
      while (wanted.get() > 0) {
        check();
        Thread.onSpinWait();
      }
    }

    void at(int newRate) throws IOException {
      rate = newRate;
      check();
    }

    private void check() throws IOException {
      if (failed != null) {
        throw failed;
      }
    }

    private void run() {
      ByteBuffer request = ByteBuffer.allocateDirect(REQUEST.length).put(REQUEST);
      ByteBuffer answer = ByteBuffer.allocateDirect(ANSWER.length).put(ANSWER);
      ByteBuffer in = ByteBuffer.allocateDirect(4096);
      long next = System.nanoTime();
      try {
        while (!over) {
          int at = rate;
          if (wanted.get() > 0) {
            exchange(request, answer, in);
            wanted.decrementAndGet();
          } else if (at < 0) {
            next = System.nanoTime();
            LockSupport.parkNanos(100_000);
          } else {
            exchange(request, answer, in);
            if (at > 0) {
              next += EVENTS * 1_000_000_000L / at;
              // Behind: it makes up for that, within reason.
              next = Math.max(next, System.nanoTime() - 10_000_000);
              while (System.nanoTime() < next) {
                Thread.onSpinWait();
              }
            }
          }
        }
      } catch (IOException e) {
        failed = e;
      }
    }

    private void exchange(ByteBuffer request, ByteBuffer answer, ByteBuffer in) throws IOException {
      move(client, request.flip(), server, in);
      move(server, answer.flip(), client, in);
    }

    private static void move(SocketChannel from, ByteBuffer bytes, SocketChannel to, ByteBuffer in)
        throws IOException {
      from.write(bytes);
      in.clear();
      to.read(in);
      if (in.position() != bytes.limit()) {
        throw new IOException("read " + in.position() + " of " + bytes.limit());
      }
    }

    @Override
    public void close() throws IOException {
      over = true;
      try {
        thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      client.close();
      server.close();
    }
  }
}
