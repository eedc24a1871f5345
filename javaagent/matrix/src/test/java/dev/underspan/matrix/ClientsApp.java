package dev.underspan.matrix;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ClientCalls;
import io.lettuce.core.RedisClient;
import io.lettuce.core.api.sync.RedisCommands;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import org.apache.hc.client5.http.classic.methods.HttpGet;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManagerBuilder;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;

/**
 * An application that calls out by many libraries, each from the thread of the request. A path
 * /library/N makes calls that carry N themselves, where they can. Arguments: platform or virtual
 * threads, then name=port of each server. Prints "port P"; ends with its standard input.
 */
public final class ClientsApp {
  /** So many connections that some requests must wait for one. */
  private static final int POOL = 20;

  private interface Call {
    void run(int id) throws Exception;
  }

  private final Map<String, Integer> ports = new TreeMap<>();
  private final Map<String, Call> calls = new TreeMap<>();

  private ClientsApp() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 1000);
    ClientsApp app = new ClientsApp();
    for (int i = 1; i < args.length; i++) {
      String[] pair = args[i].split("=", -1);
      app.ports.put(pair[0], Integer.valueOf(pair[1]));
    }
    // Another server, lest all threads of the one wait for it.
    HttpServer echo =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 1000);
    echo.createContext("/", ClientsApp::answer);
    echo.setExecutor(Executors.newFixedThreadPool(8));
    echo.start();
    app.ports.put("http", echo.getAddress().getPort());
    app.prepare();
    server.createContext("/", app::handle);
    ExecutorService executor =
        args[0].equals("virtual") ? VirtualThreads.executor() : Executors.newFixedThreadPool(64);
    server.setExecutor(executor);
    server.start();
    System.out.println("port " + server.getAddress().getPort());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    Runtime.getRuntime().halt(0);
  }

  private void handle(HttpExchange exchange) throws IOException {
    String[] path = exchange.getRequestURI().getPath().split("/", -1);
    try {
      calls.get(path[1]).run(Integer.parseInt(path[2]));
      answer(exchange);
    } catch (Exception e) {
      answer(exchange, 500, String.valueOf(e));
    }
  }

  private static void answer(HttpExchange exchange) throws IOException {
    answer(exchange, 200, "ok");
  }

  private static void answer(HttpExchange exchange, int status, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  private void prepare() throws Exception {
    sql("postgresql", "jdbc:postgresql://127.0.0.1:PORT/postgres?user=postgres");
    sql("mariadb", "jdbc:mariadb://127.0.0.1:PORT/?user=root");
    sql("mysql", "jdbc:mysql://127.0.0.1:PORT/?user=root&sslMode=DISABLED");
    jedis();
    lettuce();
    grpc();
    String echo = "http://127.0.0.1:" + ports.get("http") + "/echo/";

    HttpClient jdk = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    calls.put(
        "java.net.http",
        id ->
            jdk.send(
                HttpRequest.newBuilder(URI.create(echo + id)).build(),
                HttpResponse.BodyHandlers.ofString()));
    calls.put(
        "HttpURLConnection",
        id -> {
          HttpURLConnection connection =
              (HttpURLConnection) URI.create(echo + id).toURL().openConnection();
          try (InputStream in = connection.getInputStream()) {
            in.readAllBytes();
          }
        });
    CloseableHttpClient apache =
        HttpClients.custom()
            .setConnectionManager(
                PoolingHttpClientConnectionManagerBuilder.create()
                    .setMaxConnTotal(POOL)
                    .setMaxConnPerRoute(POOL)
                    .build())
            .build();
    calls.put(
        "httpclient5",
        id ->
            apache.execute(
                new HttpGet(echo + id), response -> EntityUtils.toString(response.getEntity())));
    OkHttpClient okhttp = new OkHttpClient();
    calls.put(
        "okhttp",
        id -> {
          try (Response response =
              okhttp.newCall(new Request.Builder().url(echo + id).build()).execute()) {
            response.body().string();
          }
        });
  }

  private void sql(String name, String url) throws Exception {
    Integer port = ports.get(name);
    if (port == null) {
      return;
    }
    BlockingQueue<Connection> pool = new ArrayBlockingQueue<>(POOL);
    for (int i = 0; i < POOL; i++) {
      pool.add(DriverManager.getConnection(url.replace("PORT", port.toString())));
    }
    calls.put(
        name,
        id -> {
          Connection connection = pool.take();
          try (Statement statement = connection.createStatement();
              ResultSet rows = statement.executeQuery("SELECT 1 AS id_" + id)) {
            rows.next();
          } finally {
            pool.add(connection);
          }
        });
  }

  /** One connection for all; its event loop writes what many threads ask for. */
  private void lettuce() {
    Integer port = ports.get("redis");
    if (port == null) {
      return;
    }
    RedisCommands<String, String> commands =
        RedisClient.create("redis://127.0.0.1:" + port).connect().sync();
    calls.put(
        "lettuce",
        id -> {
          for (int i = 0; i <= id % 5; i++) {
            commands.incr("l" + id);
          }
        });
  }

  /** The same of gRPC, whose method is named by the request's number. */
  private void grpc() throws IOException {
    Server server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .fallbackHandlerRegistry(new GrpcApp.Methods())
            .build()
            .start();
    ManagedChannel channel =
        NettyChannelBuilder.forAddress("localhost", server.getPort()).usePlaintext().build();
    calls.put(
        "grpc",
        id ->
            ClientCalls.blockingUnaryCall(
                channel, GrpcApp.method("call" + id), CallOptions.DEFAULT, "x"));
  }

  /** Its arguments are not told, so the number of commands says which request it is. */
  private void jedis() {
    Integer port = ports.get("redis");
    if (port == null) {
      return;
    }
    BlockingQueue<Jedis> pool = new ArrayBlockingQueue<>(POOL);
    for (int i = 0; i < POOL; i++) {
      pool.add(
          new Jedis(
              new HostAndPort("127.0.0.1", port), DefaultJedisClientConfig.builder().build()));
    }
    calls.put(
        "jedis",
        id -> {
          Jedis jedis = pool.take();
          try {
            for (int i = 0; i <= id % 5; i++) {
              jedis.incr("k" + id);
            }
          } finally {
            pool.add(jedis);
          }
        });
  }
}
