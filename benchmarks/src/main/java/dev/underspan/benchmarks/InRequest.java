package dev.underspan.benchmarks;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;

/** Work that is done in a request of a server, so that with the agent it has a span. */
final class InRequest implements AutoCloseable {
  private static final byte[] REQUEST =
      "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

  private final HttpServer server;
  private final Runnable work;

  /** The server; with the agent, waits until that is ready. */
  InRequest(Runnable work) throws Throwable {
    this.work = work;
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", this::handle);
    server.start();
    awaitAgent();
  }

  /** Returns when the agent is ready, if there is one. */
  static void awaitAgent() throws Throwable {
    Class<?> agent;
    try {
      agent = Class.forName("java.lang.Underspan");
    } catch (ClassNotFoundException e) {
      return; // there is none
    }
    MethodHandle wanted =
        MethodHandles.publicLookup()
            .findStatic(agent, "serverWanted", MethodType.methodType(boolean.class));
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (!(boolean) wanted.invoke()) {
      if (System.nanoTime() > deadline) {
        throw new IllegalStateException("the agent is not ready");
      }
      Thread.sleep(20);
    }
    Thread.sleep(1000); // classes that were loaded before are still being changed
  }

  private void handle(HttpExchange exchange) throws IOException {
    work.run();
    exchange.sendResponseHeaders(204, -1);
    exchange.close();
  }

  /** Has the work done, by the server's thread. */
  int run() throws IOException {
    try (Socket socket =
        new Socket(server.getAddress().getAddress(), server.getAddress().getPort())) {
      socket.getOutputStream().write(REQUEST);
      return socket.getInputStream().read();
    }
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
