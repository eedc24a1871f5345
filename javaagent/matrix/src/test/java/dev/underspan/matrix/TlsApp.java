package dev.underspan.matrix;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/**
 * Calls out by TLS in several ways. Arguments: a key store that it also trusts, its password, the
 * port of a server for HTTP/2. Handlers in the clear are named for the way; what they call has the
 * same number in its path.
 */
public final class TlsApp {
  private final SSLContext tls;
  private final HttpClient http1;
  private final HttpClient http2;
  private final int secured;
  private final int http2Port;
  private final Semaphore gate = new Semaphore(0);
  private @Nullable NettyCaller netty;
  private final AtomicInteger held = new AtomicInteger();
  private final Map<String, Connection> databases = new ConcurrentHashMap<>();

  private TlsApp(SSLContext tls, int secured, int http2Port) {
    this.tls = tls;
    this.secured = secured;
    this.http2Port = http2Port;
    HttpClient.Builder builder = HttpClient.newBuilder().sslContext(tls);
    this.http1 = builder.version(HttpClient.Version.HTTP_1_1).build();
    this.http2 = builder.version(HttpClient.Version.HTTP_2).build();
  }

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    SSLContext tls = context(Path.of(args[0]), args[1].toCharArray());
    HttpsServer server =
        HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 300);
    server.setHttpsConfigurator(new HttpsConfigurator(tls));
    HttpServer front =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 300);
    TlsApp app = new TlsApp(tls, server.getAddress().getPort(), Integer.parseInt(args[2]));
    server.createContext(
        "/inner/",
        exchange -> {
          byte[] request = exchange.getRequestBody().readAllBytes();
          byte[] body = ("inner " + exchange.getRequestURI()).getBytes(StandardCharsets.US_ASCII);
          int size = request.length > 0 ? request.length : body.length;
          exchange.sendResponseHeaders(200, size);
          exchange.getResponseBody().write(request.length > 0 ? request : body);
          exchange.close();
        });
    front.createContext(
        "/",
        exchange -> {
          byte[] body;
          int status = 200;
          try {
            body = app.answer(exchange.getRequestURI()).getBytes(StandardCharsets.UTF_8);
          } catch (Exception e) {
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
    for (Connection connection : app.databases.values()) {
      connection.close();
    }
    executor.shutdown();
    System.exit(0);
  }

  static SSLContext context(Path store, char[] password) throws Exception {
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, password);
    }
    KeyManagerFactory mine = KeyManagerFactory.getInstance("PKIX");
    mine.init(keys, password);
    TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
    trusted.init(keys);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(mine.getKeyManagers(), trusted.getTrustManagers(), null);
    return context;
  }

  /** Paths: /WAY/NUMBER or /WAY/NUMBER/BYTES. */
  private String answer(URI uri) throws Exception {
    String[] path = uri.getPath().split("/");
    String number = path[2];
    int bytes = path.length > 3 ? Integer.parseInt(path[3]) : 0;
    return switch (path[1]) {
      case "http1" -> send(http1, secured, number, bytes);
      case "http2" -> send(http2, http2Port, number, bytes);
      case "socket" -> socket(number, bytes);
      case "netty" -> {
        synchronized (gate) {
          if (netty == null) {
            netty = new NettyCaller(secured);
          }
        }
        yield netty.call("/inner/" + number, bytes);
      }
      case "untrusted" -> untrusted(number);
      case "postgres" -> postgres(number, uri.getQuery());
      case "burst" -> {
        // All callers wait here, so that many are under way at once.
        held.incrementAndGet();
        gate.acquire();
        yield send(
            number.charAt(0) == '1' ? http1 : http2,
            number.charAt(0) == '1' ? secured : http2Port,
            number,
            0);
      }
      case "port" -> Integer.toString(secured);
      case "held" -> Integer.toString(held.get());
      case "release" -> {
        gate.release(held.getAndSet(0));
        yield "released";
      }
      default -> throw new IllegalArgumentException(uri.toString());
    };
  }

  private String send(HttpClient client, int port, String number, int bytes) throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create("https://localhost:" + port + "/inner/" + number));
    if (bytes > 0) {
      request.POST(HttpRequest.BodyPublishers.ofByteArray(new byte[bytes]));
    }
    HttpResponse<byte[]> response =
        client.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
    return client.version() + " " + response.version() + " " + response.body().length;
  }

  private String socket(String number, int bytes) throws Exception {
    HttpsURLConnection connection =
        (HttpsURLConnection)
            URI.create("https://localhost:" + secured + "/inner/" + number)
                .toURL()
                .openConnection();
    connection.setSSLSocketFactory(tls.getSocketFactory());
    if (bytes > 0) {
      connection.setDoOutput(true);
      connection.getOutputStream().write(new byte[bytes]);
    }
    try (InputStream in = connection.getInputStream()) {
      return Integer.toString(in.readAllBytes().length);
    }
  }

  /** By the JDK's own trust store, in which the test's certificate is not. */
  private String untrusted(String number) throws Exception {
    String url = "https://localhost:" + secured + "/inner/" + number;
    try {
      if (number.endsWith("1")) {
        URI.create(url).toURL().openConnection().getInputStream().close();
      } else {
        HttpClient.newHttpClient()
            .send(
                HttpRequest.newBuilder(URI.create(url)).build(),
                HttpResponse.BodyHandlers.discarding());
      }
      return "trusted";
    } catch (java.io.IOException e) {
      return e.toString();
    }
  }

  private String postgres(String number, String url) throws Exception {
    synchronized (databases) {
      Connection connection = databases.get(url);
      if (connection == null) {
        Driver driver =
            Class.forName("org.postgresql.Driver")
                .asSubclass(Driver.class)
                .getConstructor()
                .newInstance();
        connection = driver.connect(url, new Properties());
        databases.put(url, connection);
      }
      try (Statement statement = connection.createStatement();
          ResultSet rows =
              statement.executeQuery(
                  "select version(), ssl from pg_stat_ssl where pid = pg_backend_pid() and "
                      + number
                      + " = "
                      + number)) {
        rows.next();
        return "ssl " + rows.getBoolean(2);
      }
    }
  }
}
