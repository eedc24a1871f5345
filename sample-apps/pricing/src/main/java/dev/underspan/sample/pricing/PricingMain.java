package dev.underspan.sample.pricing;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;

/** The shop's prices: a servlet in an embedded Jetty. */
public final class PricingMain {
  private PricingMain() {}

  /** Starts pricing: {@code [--port N] [--host H] [--threads N] [--rules FILE]}. */
  public static void main(String[] args) throws Exception {
    int port = Integer.parseInt(option(args, "--port", setting("PORT", "8082")));
    String host = option(args, "--host", setting("HOST", "127.0.0.1"));
    int threads = Integer.parseInt(option(args, "--threads", setting("PRICING_THREADS", "16")));
    String rules = option(args, "--rules", setting("PRICING_RULES", ""));

    // One thread accepts and one selects; the others serve, and read their requests themselves. So
    // when all of them are busy, further requests wait in their sockets.
    QueuedThreadPool pool = new QueuedThreadPool(threads + 2, Math.min(4, threads + 2));
    pool.setName("pricing");
    pool.setReservedThreads(0);
    Server server = new Server(pool);
    ServerConnector connector = new ServerConnector(server, 1, 1);
    connector.setHost(host);
    connector.setPort(port);
    connector.setAcceptQueueSize(256);
    server.addConnector(connector);
    ServletContextHandler context = new ServletContextHandler("/");
    Path file = rules.isEmpty() ? defaultRules() : Path.of(rules);
    context.addServlet(new ServletHolder(new PriceServlet(file)), "/price/*");
    server.setHandler(context);
    server.setStopAtShutdown(true);
    server.start();
    System.out.print("pricing ready on port " + connector.getLocalPort() + "\n");
    System.out.flush();
    server.join();
  }

  private static Path defaultRules() throws IOException {
    Path file = Files.createTempFile("price-rules-", ".properties");
    file.toFile().deleteOnExit();
    try (InputStream rules = PricingMain.class.getResourceAsStream("/price-rules.properties")) {
      Files.copy(rules, file, StandardCopyOption.REPLACE_EXISTING);
    }
    return file;
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
