package dev.underspan.matrix;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.netty.shaded.io.netty.channel.epoll.Epoll;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslProvider;
import io.grpc.netty.shaded.io.netty.handler.ssl.util.InsecureTrustManagerFactory;
import io.grpc.stub.ClientCalls;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.lettuce.core.SslVerifyMode;
import io.lettuce.core.api.sync.RedisCommands;
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
import java.security.Provider;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.jsse.provider.BouncyCastleJsseProvider;
import org.conscrypt.Conscrypt;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.SslOptions;

/**
 * Calls out by TLS of several libraries and to several servers, one call a request. Arguments: a
 * key store, its password, a folder of the certificate and key in PEM, then name=port of each
 * server that is another process. Handlers are /WAY/NUMBER, after /prepare/WAY,WAY.
 */
public final class TlsLibrariesApp {
  private static final int POOL = 8;

  private interface Call {
    void run(String number) throws Exception;
  }

  private final Path store;
  private final char[] password;
  private final Path pem;
  private final Map<String, Integer> ports = new HashMap<>();
  private final Map<String, Call> calls = new TreeMap<>();
  private final int secured;
  private final Semaphore gate = new Semaphore(0);
  private final AtomicInteger held = new AtomicInteger();

  private TlsLibrariesApp(String[] args, int secured) {
    store = Path.of(args[0]);
    password = args[1].toCharArray();
    pem = Path.of(args[2]);
    this.secured = secured;
    for (int i = 3; i < args.length; i++) {
      String[] pair = args[i].split("=", -1);
      ports.put(pair[0], Integer.valueOf(pair[1]));
    }
  }

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    HttpsServer server =
        HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 300);
    server.setHttpsConfigurator(
        new HttpsConfigurator(TlsApp.context(Path.of(args[0]), args[1].toCharArray())));
    server.createContext(
        "/inner/",
        exchange -> {
          exchange.getRequestBody().readAllBytes();
          exchange.sendResponseHeaders(200, 2);
          exchange.getResponseBody().write(new byte[2]);
          exchange.close();
        });
    HttpServer front =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 300);
    TlsLibrariesApp app = new TlsLibrariesApp(args, server.getAddress().getPort());
    ExecutorService executor = Executors.newCachedThreadPool();
    server.setExecutor(executor);
    server.start();
    front.createContext(
        "/",
        exchange -> {
          byte[] body;
          int status = 200;
          try {
            body = app.answer(exchange.getRequestURI()).getBytes(StandardCharsets.UTF_8);
          } catch (Exception | LinkageError e) {
            e.printStackTrace();
            status = 500;
            body = e.toString().getBytes(StandardCharsets.UTF_8);
          }
          exchange.sendResponseHeaders(status, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    front.setExecutor(executor);
    front.start();
    System.out.println("port " + front.getAddress().getPort());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    System.exit(0);
  }

  private String answer(URI uri) throws Exception {
    String[] path = uri.getPath().split("/");
    return switch (path[1]) {
      case "burst" -> {
        held.incrementAndGet();
        gate.acquire();
        String[] ways = calls.keySet().toArray(new String[0]);
        calls.get(ways[Integer.parseInt(path[2]) % ways.length]).run(path[2]);
        yield "done";
      }
      case "prepare" -> {
        for (String way : path[2].split(",", -1)) {
          prepare(way);
        }
        yield "prepared";
      }
      case "held" -> Integer.toString(held.get());
      case "release" -> {
        gate.release(held.getAndSet(0));
        yield "released";
      }
      default -> {
        calls.get(path[1]).run(path[2]);
        yield "done";
      }
    };
  }

  private void prepare(String way) throws Exception {
    switch (way) {
      case "conscrypt" -> {
        Provider provider = Conscrypt.newProvider();
        // Engines and sockets do not take each other's sessions.
        http(way, context(provider, "PKIX"), context(provider, "PKIX"));
      }
      case "bouncycastle" -> {
        Provider crypto = new BouncyCastleProvider();
        SSLContext tls = context(new BouncyCastleJsseProvider(crypto), "PKIX");
        http(way, tls, tls);
      }
      case "many" -> many();
      case "grpc" -> grpc();
      case "mariadb" -> sql(way, "jdbc:mariadb://127.0.0.1:PORT/?user=root&sslMode=trust");
      case "mysql" -> sql(way, "jdbc:mysql://127.0.0.1:PORT/?user=root&sslMode=REQUIRED");
      case "jedis" -> jedis();
      case "lettuce" -> lettuce();
      case "nginx" -> nginx();
      default -> throw new IllegalArgumentException(way);
    }
  }

  private static void check(boolean right) {
    if (!right) {
      throw new IllegalStateException("another answer than expected");
    }
  }

  private SSLContext context(Provider provider, String algorithm) throws Exception {
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, password);
    }
    boolean own = provider.getService("TrustManagerFactory", algorithm) != null;
    KeyManagerFactory mine = KeyManagerFactory.getInstance(algorithm);
    mine.init(keys, password);
    TrustManagerFactory trusted =
        own
            ? TrustManagerFactory.getInstance(algorithm, provider)
            : TrustManagerFactory.getInstance(algorithm);
    trusted.init(keys);
    SSLContext context = SSLContext.getInstance("TLS", provider);
    context.init(mine.getKeyManagers(), trusted.getTrustManagers(), null);
    return context;
  }

  /** By engines in the one client, and by sockets in the other. */
  private void http(String name, SSLContext tls, SSLContext socketTls) {
    HttpClient client =
        HttpClient.newBuilder().sslContext(tls).version(HttpClient.Version.HTTP_1_1).build();
    calls.put(
        name + "-engine",
        number ->
            check(
                client
                        .send(request(secured, number), HttpResponse.BodyHandlers.ofByteArray())
                        .statusCode()
                    == 200));
    calls.put(
        name + "-socket",
        number -> {
          HttpsURLConnection connection =
              (HttpsURLConnection)
                  URI.create("https://localhost:" + secured + "/inner/" + number)
                      .toURL()
                      .openConnection();
          connection.setSSLSocketFactory(socketTls.getSocketFactory());
          try (InputStream in = connection.getInputStream()) {
            check(in.readAllBytes().length == 2);
          }
        });
  }

  private static HttpRequest request(int port, String number) {
    return HttpRequest.newBuilder(URI.create("https://localhost:" + port + "/inner/" + number))
        .build();
  }

  /** As many virtual threads as the number says after a dash, each with a call of its own. */
  private void many() throws Exception {
    HttpClient client =
        HttpClient.newBuilder()
            .sslContext(TlsApp.context(store, password))
            .version(HttpClient.Version.HTTP_1_1)
            .build();
    Semaphore connections = new Semaphore(32);
    ExecutorService virtual = VirtualThreads.executor();
    calls.put(
        "many",
        number -> {
          int count = Integer.parseInt(number.substring(number.indexOf('-') + 1));
          CountDownLatch done = new CountDownLatch(count);
          AtomicInteger right = new AtomicInteger();
          for (int i = 0; i < count; i++) {
            String own = number + "-" + i;
            virtual.execute(
                () -> {
                  held.incrementAndGet();
                  try {
                    gate.acquire();
                    connections.acquire();
                    try {
                      HttpResponse<byte[]> response =
                          client.send(
                              request(secured, own), HttpResponse.BodyHandlers.ofByteArray());
                      right.addAndGet(response.statusCode() == 200 ? 1 : 0);
                    } finally {
                      connections.release();
                    }
                  } catch (Exception e) {
                    throw new IllegalStateException(e);
                  } finally {
                    done.countDown();
                  }
                });
          }
          done.await();
          check(right.get() == count);
        });
  }

  /** The library's own copy of Netty, which takes the epoll transport where it can. */
  private void grpc() throws Exception {
    check(Epoll.isAvailable());
    io.grpc.Server server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .sslContext(
                GrpcSslContexts.configure(
                        io.grpc.netty.shaded.io.netty.handler.ssl.SslContextBuilder.forServer(
                            pem.resolve("cert.pem").toFile(), pem.resolve("key.pem").toFile()),
                        SslProvider.OPENSSL)
                    .build())
            .fallbackHandlerRegistry(new GrpcApp.Methods())
            .build()
            .start();
    ManagedChannel channel =
        NettyChannelBuilder.forAddress("localhost", server.getPort())
            .sslContext(
                GrpcSslContexts.configure(
                        io.grpc.netty.shaded.io.netty.handler.ssl.SslContextBuilder.forClient(),
                        SslProvider.OPENSSL)
                    .trustManager(InsecureTrustManagerFactory.INSTANCE)
                    .build())
            .build();
    calls.put(
        "grpc",
        number ->
            check(
                ClientCalls.blockingUnaryCall(
                        channel, GrpcApp.method("N" + number), CallOptions.DEFAULT, "hello")
                    .equals("hello")));
  }

  private void sql(String name, String url) throws Exception {
    BlockingQueue<Connection> pool = new ArrayBlockingQueue<>(POOL);
    String at = url.replace("PORT", ports.get("mariadb").toString());
    for (int i = 0; i < POOL; i++) {
      pool.add(DriverManager.getConnection(at));
    }
    calls.put(
        name,
        number -> {
          Connection connection = pool.take();
          try (Statement statement = connection.createStatement();
              ResultSet rows = statement.executeQuery("select 1 as n" + number)) {
            check(rows.next());
          } finally {
            pool.add(connection);
          }
        });
  }

  private void jedis() throws Exception {
    BlockingQueue<Jedis> pool = new ArrayBlockingQueue<>(POOL);
    for (int i = 0; i < POOL; i++) {
      pool.add(
          new Jedis(
              new HostAndPort("localhost", ports.get("redis")),
              DefaultJedisClientConfig.builder()
                  .sslOptions(
                      SslOptions.builder()
                          .truststore(store.toFile(), password)
                          .trustStoreType("PKCS12")
                          .build())
                  .build()));
    }
    calls.put(
        "jedis",
        number -> {
          Jedis jedis = pool.take();
          try {
            jedis.incr("jedis" + number);
          } finally {
            pool.add(jedis);
          }
        });
  }

  private void lettuce() {
    RedisURI uri =
        RedisURI.builder()
            .withHost("localhost")
            .withPort(ports.get("redis"))
            .withSsl(true)
            .withVerifyPeer(SslVerifyMode.NONE)
            .build();
    RedisCommands<String, String> commands = RedisClient.create(uri).connect().sync();
    calls.put("lettuce", number -> commands.incr("lettuce" + number));
  }

  /** HTTP/1.1 and, for odd numbers, HTTP/2. */
  private void nginx() throws Exception {
    SSLContext tls = TlsApp.context(store, password);
    HttpClient[] clients = {
      HttpClient.newBuilder().sslContext(tls).version(HttpClient.Version.HTTP_1_1).build(),
      HttpClient.newBuilder().sslContext(tls).version(HttpClient.Version.HTTP_2).build()
    };
    calls.put(
        "nginx",
        number ->
            check(
                clients[Integer.parseInt(number) % 2]
                    .send(request(ports.get("nginx"), number), HttpResponse.BodyHandlers.ofString())
                    .body()
                    .equals("answer")));
  }
}
