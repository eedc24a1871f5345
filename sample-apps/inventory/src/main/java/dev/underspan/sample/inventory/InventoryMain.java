package dev.underspan.sample.inventory;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.sql.SQLException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** The shop's stock: the JDK's own HTTP server in front of PostgreSQL. */
public final class InventoryMain {
  private InventoryMain() {}

  /** Starts inventory: {@code [--port N] [--host H]}; the database by INVENTORY_JDBC_URL. */
  public static void main(String[] args) throws IOException, SQLException {
    // The JDK's server leaves Nagle's algorithm on otherwise, and every answer waits for an ACK.
    System.setProperty("sun.net.httpserver.nodelay", "true");
    int port = Integer.parseInt(option(args, "--port", setting("PORT", "8081")));
    String host = option(args, "--host", setting("HOST", "127.0.0.1"));
    String jdbcUrl =
        setting("INVENTORY_JDBC_URL", "jdbc:postgresql://127.0.0.1:5432/postgres?user=postgres");

    StockDatabase database = StockDatabase.open(jdbcUrl);
    ExecutorService executor = requestExecutor();
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getByName(host), port), 256);
    server.setExecutor(executor);
    server.createContext("/", new StockHandler(database));
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  server.stop(0);
                  executor.shutdownNow();
                  database.close();
                },
                "inventory-stop"));
    server.start();
    System.out.print("inventory ready on port " + server.getAddress().getPort() + "\n");
    System.out.flush();
  }

  /** One virtual thread for each request where the JDK has them, else 32 platform threads. */
  private static ExecutorService requestExecutor() {
    try {
      return (ExecutorService)
          Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
    } catch (ReflectiveOperationException e) {
      return Executors.newFixedThreadPool(32);
    }
  }

  private static String option(String[] args, String name, String fallback) {
    for (int i = 0; i + 1 < args.length; i++) {
      if (args[i].equals(name)) {
        return args[i + 1];
      }
    }
    return fallback;
  }

  private static String setting(String name, String fallback) {
    String value = System.getProperty(name, System.getenv(name));
    return value == null || value.isEmpty() ? fallback : value;
  }
}
