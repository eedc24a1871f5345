package dev.underspan.matrix;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLParameters;

/**
 * Calls out over OpenSSL's own library. Arguments: a key store, its password, the class that
 * implements {@link Client}, and when it is to be loaded, {@code now} or {@code later}. A handler
 * /native/N/BYTES calls /inner/N, by both forms of the library's functions in turn.
 */
public final class NativeTlsApp {
  /** A client of libssl. */
  public interface Client {
    /**
     * A connection to a port of the loopback, after its handshake.
     *
     * @param name of the server, as it is told
     * @param verify whether to look at its certificate, of which no issuer is known
     * @return 0 if there is none
     */
    long open(int port, String name, boolean verify) throws Exception;

    /** Writes all; true for the newer form. */
    int write(long session, byte[] bytes, boolean newer) throws Exception;

    /** Reads some; true for the newer form. */
    int read(long session, byte[] into, boolean newer) throws Exception;
  }

  private final String implementation;
  private final int secured;
  private final Queue<Long> idle = new ConcurrentLinkedQueue<>();
  private final Semaphore gate = new Semaphore(0);
  private final AtomicInteger held = new AtomicInteger();
  private volatile Client client;

  private NativeTlsApp(String implementation, int secured) {
    this.implementation = implementation;
    this.secured = secured;
  }

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    HttpsServer server =
        HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 300);
    server.setHttpsConfigurator(
        new HttpsConfigurator(TlsApp.context(Path.of(args[0]), args[1].toCharArray())) {
          @Override
          public void configure(HttpsParameters parameters) {
            SSLParameters tls = getSSLContext().getDefaultSSLParameters();
            tls.setSNIMatchers(List.of(SNIHostName.createSNIMatcher("localhost")));
            parameters.setSSLParameters(tls);
          }
        });
    server.createContext(
        "/inner/",
        exchange -> {
          byte[] body = exchange.getRequestBody().readAllBytes();
          exchange.sendResponseHeaders(200, Math.max(1, body.length));
          exchange.getResponseBody().write(body.length > 0 ? body : new byte[1]);
          exchange.close();
        });
    HttpServer front =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 300);
    NativeTlsApp app = new NativeTlsApp(args[2], server.getAddress().getPort());
    if (args[3].equals("now")) {
      app.client();
    }
    front.createContext(
        "/",
        exchange -> {
          byte[] body;
          int status = 200;
          try {
            body = app.answer(exchange.getRequestURI()).getBytes(StandardCharsets.UTF_8);
          } catch (Exception | LinkageError e) {
            status = 500;
            body = e.toString().getBytes(StandardCharsets.UTF_8);
          }
          exchange.sendResponseHeaders(status, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    ExecutorService executor = Executors.newCachedThreadPool();
    server.setExecutor(executor);
    front.setExecutor(executor);
    server.start();
    front.start();
    System.out.println("port " + front.getAddress().getPort());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    front.stop(0);
    server.stop(0);
    System.exit(0);
  }

  private synchronized Client client() throws Exception {
    if (client == null) {
      client =
          Class.forName(implementation).asSubclass(Client.class).getConstructor().newInstance();
    }
    return client;
  }

  private String answer(URI uri) throws Exception {
    String[] path = uri.getPath().split("/");
    return switch (path[1]) {
      case "native" -> call(path[2], path.length > 3 ? Integer.parseInt(path[3]) : 0);
      case "failing" -> {
        boolean verify = path[2].equals("verify");
        try {
          long session = client().open(secured, verify ? "localhost" : "elsewhere", verify);
          yield session == 0 ? "refused" : "connected";
        } catch (IOException e) {
          yield "refused";
        }
      }
      case "burst" -> {
        held.incrementAndGet();
        gate.acquire();
        yield call(path[2], 0);
      }
      case "held" -> Integer.toString(held.get());
      case "release" -> {
        gate.release(held.getAndSet(0));
        yield "released";
      }
      default -> throw new IllegalArgumentException(uri.toString());
    };
  }

  private String call(String number, int bytes) throws Exception {
    Client by = client();
    Long session = idle.poll();
    if (session == null) {
      session = by.open(secured, "localhost", false);
    }
    boolean newer = Integer.parseInt(number) % 2 == 1;
    String head =
        (bytes > 0 ? "POST" : "GET")
            + " /inner/"
            + number
            + " HTTP/1.1\r\nHost: localhost:"
            + secured
            + "\r\nContent-Length: "
            + bytes
            + "\r\n\r\n";
    byte[] request = head.getBytes(StandardCharsets.US_ASCII);
    int length = request.length;
    request = Arrays.copyOf(request, length + bytes);
    check(by.write(session, request, newer) == request.length, "not all was written");
    byte[] answer = new byte[4096];
    int at = 0;
    int end = -1;
    while (end < 0) {
      int n = by.read(session, answer, newer);
      check(n > 0, "no answer");
      String text = new String(answer, 0, n, StandardCharsets.US_ASCII);
      at += n;
      int head1 = text.indexOf("\r\n\r\n");
      check(text.startsWith("HTTP/1.1 200") && head1 > 0, text);
      end = head1 + 4 + Math.max(1, bytes);
    }
    while (at < end) {
      int n = by.read(session, answer, newer);
      check(n > 0, "cut off");
      at += n;
    }
    idle.add(session);
    return "200 " + at;
  }

  private static void check(boolean right, String otherwise) throws IOException {
    if (!right) {
      throw new IOException(otherwise);
    }
  }
}
