package dev.underspan.matrix;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
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
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.net.SSLHostConfig;
import org.apache.tomcat.util.net.SSLHostConfigCertificate;
import org.jspecify.annotations.Nullable;

/**
 * Calls servers in the same process that ask clients for certificates. Arguments: the key store of
 * the server, that of clients, both with the same password, and whether a certificate is needed
 * ({@code need}) or only wanted ({@code want}). A handler /SERVER/WAY/KEY/N calls /inner/N there:
 * SERVER is {@code jdk}, {@code tomcat} or {@code netty} (on BoringSSL), WAY {@code engine} (kept
 * alive) or {@code socket} (a new connection each time), KEY one of {@link ClientKeys} or {@code
 * none}.
 */
@SuppressWarnings("FutureReturnValueIgnored") // the tests see what did not come
public final class MutualTlsApp {
  private final KeyStore serverKeys;
  private final KeyStore clientKeys;
  private final char[] password;
  private final Map<String, SSLContext> contexts = new HashMap<>();
  private final Map<String, HttpClient> clients = new HashMap<>();
  private final Map<String, Integer> ports = new HashMap<>();

  private MutualTlsApp(KeyStore serverKeys, KeyStore clientKeys, char[] password) {
    this.serverKeys = serverKeys;
    this.clientKeys = clientKeys;
    this.password = password;
  }

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    char[] password = args[2].toCharArray();
    Path serverStore = Path.of(args[0]);
    MutualTlsApp app =
        new MutualTlsApp(load(serverStore, password), load(Path.of(args[1]), password), password);
    boolean need = args[3].equals("need");
    ExecutorService executor = Executors.newCachedThreadPool();
    HttpsServer jdk = app.jdk(need);
    jdk.setExecutor(executor);
    jdk.start();
    Tomcat tomcat = app.tomcat(serverStore, args[2], need);
    EventLoopGroup loops = new MultiThreadIoEventLoopGroup(2, NioIoHandler.newFactory());
    app.netty(loops, need);
    HttpServer front =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 50);
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
    front.setExecutor(executor);
    front.start();
    System.out.println("port " + front.getAddress().getPort());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    front.stop(0);
    jdk.stop(0);
    tomcat.stop();
    loops.shutdownGracefully();
    System.exit(0);
  }

  private static KeyStore load(Path store, char[] password) throws Exception {
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, password);
    }
    return keys;
  }

  // ---- servers

  private HttpsServer jdk(boolean need) throws Exception {
    HttpsServer server =
        HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 50);
    SSLContext context = context("server", serverKeys, clientKeys);
    server.setHttpsConfigurator(
        new HttpsConfigurator(context) {
          @Override
          public void configure(HttpsParameters parameters) {
            SSLParameters tls = context.getDefaultSSLParameters();
            if (need) {
              tls.setNeedClientAuth(true);
            } else {
              tls.setWantClientAuth(true);
            }
            parameters.setSSLParameters(tls);
          }
        });
    server.createContext(
        "/inner/",
        exchange -> {
          exchange.sendResponseHeaders(200, 2);
          exchange.getResponseBody().write("ok".getBytes(StandardCharsets.US_ASCII));
          exchange.close();
        });
    ports.put("jdk", server.getAddress().getPort());
    return server;
  }

  private Tomcat tomcat(Path store, String secret, boolean need) throws Exception {
    Tomcat tomcat = new Tomcat();
    tomcat.setBaseDir(Files.createTempDirectory("underspan-tomcat").toString());
    Connector connector = new Connector("org.apache.coyote.http11.Http11NioProtocol");
    connector.setPort(0);
    connector.setScheme("https");
    connector.setSecure(true);
    connector.setProperty("SSLEnabled", "true");
    SSLHostConfig host = new SSLHostConfig();
    host.setCertificateVerification(need ? "required" : "optional");
    host.setTrustStore(trusted(clientKeys));
    SSLHostConfigCertificate certificate =
        new SSLHostConfigCertificate(host, SSLHostConfigCertificate.Type.UNDEFINED);
    certificate.setCertificateKeystoreFile(store.toString());
    certificate.setCertificateKeystorePassword(secret);
    certificate.setCertificateKeystoreType("PKCS12");
    certificate.setCertificateKeyAlias("server");
    host.addCertificate(certificate);
    connector.addSslHostConfig(host);
    tomcat.setConnector(connector);
    Context context = tomcat.addContext("", null);
    Tomcat.addServlet(
            context,
            "inner",
            new HttpServlet() {
              private static final long serialVersionUID = 1;

              @Override
              protected void service(HttpServletRequest request, HttpServletResponse response)
                  throws IOException {
                response.getOutputStream().print("ok");
              }
            })
        .addMapping("/*");
    tomcat.start();
    ports.put("tomcat", connector.getLocalPort());
    return tomcat;
  }

  private void netty(EventLoopGroup loops, boolean need) throws Exception {
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(trusted(clientKeys));
    SslContext tls =
        SslContextBuilder.forServer(
                (PrivateKey) serverKeys.getKey("server", password),
                (java.security.cert.X509Certificate) serverKeys.getCertificate("server"))
            .sslProvider(SslProvider.OPENSSL)
            .trustManager(trust)
            .clientAuth(need ? ClientAuth.REQUIRE : ClientAuth.OPTIONAL)
            .build();
    Channel listening =
        new ServerBootstrap()
            .group(loops)
            .channel(NioServerSocketChannel.class)
            .childHandler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    channel
                        .pipeline()
                        .addLast(
                            tls.newHandler(channel.alloc()),
                            new HttpServerCodec(),
                            new HttpObjectAggregator(65_536),
                            new Inner());
                  }
                })
            .bind(InetAddress.getLoopbackAddress(), 0)
            .sync()
            .channel();
    ports.put("netty", ((InetSocketAddress) listening.localAddress()).getPort());
  }

  private static final class Inner extends SimpleChannelInboundHandler<FullHttpRequest> {
    @Override
    protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) {
      DefaultFullHttpResponse response =
          new DefaultFullHttpResponse(
              HttpVersion.HTTP_1_1,
              HttpResponseStatus.OK,
              Unpooled.copiedBuffer("ok", StandardCharsets.US_ASCII));
      response.headers().set("Content-Length", 2);
      context.writeAndFlush(response);
    }
  }

  private static KeyStore trusted(KeyStore keys) throws Exception {
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    for (String alias : Collections.list(keys.aliases())) {
      trusted.setCertificateEntry(alias, keys.getCertificate(alias));
    }
    return trusted;
  }

  private SSLContext context(String alias, @Nullable KeyStore mine, KeyStore others)
      throws Exception {
    KeyStore one = KeyStore.getInstance("PKCS12");
    one.load(null, null);
    if (mine != null) {
      Certificate[] chain = mine.getCertificateChain(alias);
      one.setKeyEntry(alias, mine.getKey(alias, password), password, chain);
    }
    KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
    keys.init(one, password);
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(trusted(others));
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    return context;
  }

  // ---- clients

  private synchronized SSLContext client(String key) throws Exception {
    SSLContext known = contexts.get(key);
    if (known == null) {
      known = context(key, key.equals("none") ? null : clientKeys, serverKeys);
      contexts.put(key, known);
    }
    return known;
  }

  private synchronized HttpClient keptAlive(String key) throws Exception {
    HttpClient known = clients.get(key);
    if (known == null) {
      known =
          HttpClient.newBuilder()
              .sslContext(client(key))
              .version(HttpClient.Version.HTTP_1_1)
              .build();
      clients.put(key, known);
    }
    return known;
  }

  private String answer(URI uri) throws Exception {
    String[] path = uri.getPath().split("/");
    URI inner = URI.create("https://localhost:" + ports.get(path[1]) + "/inner/" + path[4]);
    if (path[2].equals("engine")) {
      return keptAlive(path[3])
          .send(HttpRequest.newBuilder(inner).build(), HttpResponse.BodyHandlers.ofString())
          .body();
    }
    HttpsURLConnection connection = (HttpsURLConnection) inner.toURL().openConnection();
    connection.setSSLSocketFactory(client(path[3]).getSocketFactory());
    connection.setRequestProperty("Connection", "close");
    try (InputStream in = connection.getInputStream()) {
      return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
    }
  }
}
