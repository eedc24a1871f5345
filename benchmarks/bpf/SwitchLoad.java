import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URL;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * Two threads that wake each other in turn: as many switches as there are. Inside an HTTP request, so
 * that under the agent both threads have an account. Reads a number of rounds a line from standard
 * input, and prints nanoseconds a round for each.
 */
public class SwitchLoad {
  private static final AtomicInteger TURN = new AtomicInteger();

  public static void main(String[] args) throws Exception {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          int rounds = Integer.parseInt(exchange.getRequestURI().getPath().substring(1));
          long took = pingPong(rounds);
          byte[] body = Long.toString(took / rounds).getBytes();
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    server.start();
    String url = "http://localhost:" + server.getAddress().getPort() + "/";
    try (java.util.Scanner in = new java.util.Scanner(System.in)) {
      System.out.println("ready");
      while (in.hasNextInt()) {
        try (java.io.InputStream answer = new URL(url + in.nextInt()).openStream()) {
          System.out.println(new String(answer.readAllBytes()));
        }
      }
    }
    server.stop(0);
  }

  private static long pingPong(int rounds) {
    Thread one = Thread.currentThread();
    TURN.set(0);
    Thread two =
        new Thread(
            () -> {
              for (int i = 0; i < rounds; i++) {
                await(1);
                TURN.set(0);
                LockSupport.unpark(one);
              }
            });
    two.start();
    long begin = System.nanoTime();
    for (int i = 0; i < rounds; i++) {
      TURN.set(1);
      LockSupport.unpark(two);
      await(0);
    }
    return System.nanoTime() - begin;
  }

  private static void await(int turn) {
    while (TURN.get() != turn) {
      LockSupport.park();
    }
  }
}
