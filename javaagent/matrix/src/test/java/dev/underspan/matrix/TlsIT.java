package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import dev.underspan.sample.load.PostgresLauncher;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import javax.net.ssl.SSLContext;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.coyote.http2.Http2Protocol;
import org.apache.tomcat.util.net.SSLHostConfig;
import org.apache.tomcat.util.net.SSLHostConfigCertificate;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Client calls over TLS under the real jar. Root. */
class TlsIT {
  private static final String PASSWORD = TestKeys.PASSWORD;

  @TempDir static Path directory;
  private static TestKeys keys = new TestKeys(Path.of("unset"));

  @BeforeAll
  static void makeKeys() throws Exception {
    keys = TestKeys.make(directory);
  }

  private static AppUnderAgent app(Path home, OtlpReceiver receiver, int http2Port)
      throws IOException {
    return builder(home, receiver, http2Port).start();
  }

  private static AppUnderAgent.Builder builder(Path home, OtlpReceiver receiver, int http2Port) {
    return new AppUnderAgent.Builder(home, directory, receiver.endpoint())
        .agent("debug=true")
        .libraries()
        .command(
            "dev.underspan.matrix.TlsApp",
            keys.store().toString(),
            PASSWORD,
            Integer.toString(http2Port));
  }

  /** All spans, once none has come for a while. */
  private static List<Span> settled(TraceStore spans) throws InterruptedException {
    spans.settle(Duration.ofMillis(700), Duration.ofSeconds(20));
    return spans.spans();
  }

  /** Of every handler whose path is /WAY/N there is one call to /inner/N below it, and no other. */
  private static Map<String, Span> assertCalls(List<Span> all, int count) {
    return assertCalls(all, count, "1.3");
  }

  private static Map<String, Span> assertCalls(List<Span> all, int count, String version) {
    Map<String, Span> handlers = new HashMap<>();
    for (Span span : all) {
      String path = String.valueOf(span.attributes().get("url.path"));
      if (span.kind() == Span.Kind.SERVER && !path.startsWith("/inner/")) {
        String number = path.split("/").length > 2 ? path.split("/")[2] : "";
        if (path.matches("/(http1|http2|socket|burst)/.*")) {
          assertThat(handlers.put(number, span)).isNull();
        }
      }
    }
    assertThat(handlers).hasSize(count);
    Map<String, Span> calls = new HashMap<>();
    for (Span span : all) {
      Object url = span.attributes().get("url.full");
      if (span.kind() == Span.Kind.CLIENT && url != null) {
        assertThat(url.toString()).matches("https://localhost:\\d+/inner/\\d+");
        String number = url.toString().substring(url.toString().lastIndexOf('/') + 1);
        assertThat(calls.put(number, span)).as("twice " + number).isNull();
        Span handler = handlers.get(number);
        assertThat(handler).as(url.toString()).isNotNull();
        assertThat(span.parentId()).as(url.toString()).isEqualTo(handler.spanId());
        assertThat(span.traceId()).isEqualTo(handler.traceId());
        assertThat(span.attributes())
            .containsEntry("tls.protocol.name", "tls")
            .containsEntry("tls.protocol.version", version)
            .containsEntry("underspan.level", "kernel")
            .containsEntry("http.response.status_code", 200L)
            .containsKeys(
                "tls.cipher", "tls.resumed", "underspan.tcp.rtt", "underspan.net.first_byte");
      }
    }
    assertThat(calls).hasSize(count);
    // The server on the other side, if it is in the same process, has the call as its parent.
    for (Span span : all) {
      String path = String.valueOf(span.attributes().get("url.path"));
      if (span.kind() == Span.Kind.SERVER && path.startsWith("/inner/")) {
        Span call = calls.get(path.substring("/inner/".length()));
        assertThat(call).as(path).isNotNull();
        assertThat(span.parentId()).as(path).isEqualTo(call.spanId());
        assertThat(span.attributes())
            .containsEntry("tls.protocol.version", version)
            .containsEntry("tls.cipher", call.attributes().get("tls.cipher"))
            .containsEntry("tls.resumed", call.attributes().get("tls.resumed"));
      }
    }
    return calls;
  }

  private static void assertNothingLost(AppUnderAgent app) throws IOException {
    assertThat(Files.readString(app.stderr))
        .contains("tlsUnmatched=0", "tlsMismatched=0", "tlsUntimed=0", "tlsDropped=0")
        .contains("underspan.instrumentation.failures=0");
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void everyCallIsASpanWhateverCarriesIt(Path home) throws Exception {
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = app(home, receiver, 0)) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      int number = 1;
      for (int round = 0; round < 7; round++) {
        app.get("/http1/" + number++);
        app.get("/http1/" + number++ + "/100000");
        app.get("/socket/" + number++);
        app.get("/socket/" + number++ + "/100000");
      }
      Map<String, Span> calls = assertCalls(settled(spans), number - 1);
      assertThat(calls.values())
          .anySatisfy(span -> assertThat(span.number("underspan.net.tls")).isPositive());
      assertThat(app.end()).isZero();
      assertNothingLost(app);
    }
  }

  @Test
  void olderTls() throws Exception {
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app =
            builder(Path.of(System.getProperty("java.home")), receiver, 0)
                .jvm("-Djdk.tls.client.protocols=TLSv1.2")
                .start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      int number = 1;
      for (int round = 0; round < 3; round++) {
        app.get("/http1/" + number++ + "/100000");
        app.get("/socket/" + number++);
        app.get("/socket/" + number++ + "/100000");
      }
      assertCalls(settled(spans), number - 1, "1.2");
      assertThat(app.end()).isZero();
      assertNothingLost(app);
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void manyCallsAtOnceHaveTheRightParent(Path home) throws Exception {
    int count = 200;
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = app(home, receiver, 0)) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      for (int round = 1; round <= 2; round++) {
        Burst.run(app, "/burst/1" + round, 1000, count);
      }
      assertCalls(settled(spans), 2 * count);
      assertThat(app.end()).isZero();
      assertNothingLost(app);
    }
  }

  private static Socket connect(int localPort, int port) throws IOException {
    InetAddress loopback = InetAddress.getLoopbackAddress();
    Socket socket = new Socket();
    socket.setReuseAddress(true);
    socket.setSoTimeout(20_000);
    socket.bind(new InetSocketAddress(loopback, localPort));
    socket.connect(new InetSocketAddress(loopback, port));
    return socket;
  }

  private static void exchange(Socket socket, String path) throws IOException {
    String request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
    // A head and a body, of whose length only the head tells.
    InputStream in = socket.getInputStream();
    StringBuilder head = new StringBuilder();
    while (head.indexOf("\r\n\r\n") < 0) {
      int next = in.read();
      assertThat(next).as(head.toString()).isNotNegative();
      head.append((char) next);
    }
    assertThat(head).startsWith("HTTP/1.1 200");
    String length = head.toString().toLowerCase(Locale.ROOT).replaceAll("\\s+", " ");
    in.readNBytes(Integer.parseInt(length.split("content-length: ", 2)[1].split(" ", 2)[0]));
  }

  /** As may be: a port of the client's is taken for each server by itself. */
  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void oneClientPortAtTwoServers(Path home) throws Exception {
    TraceStore spans = new TraceStore();
    SSLContext tls = TlsApp.context(keys.store(), PASSWORD.toCharArray());
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = app(home, receiver, 0)) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      int securedPort = Integer.parseInt(app.get("/port/0"));
      try (Socket below = connect(0, securedPort);
          Socket secured =
              tls.getSocketFactory().createSocket(below, "localhost", securedPort, false)) {
        exchange(secured, "/inner/1");
        try (Socket plain = connect(below.getLocalPort(), app.port)) {
          exchange(plain, "/held/0");
        }
        Thread.sleep(200); // its end is told on its own
        exchange(secured, "/inner/2");
      }
      assertThat(settled(spans))
          .filteredOn(
              span -> String.valueOf(span.attributes().get("url.path")).startsWith("/inner/"))
          .hasSize(2)
          .allSatisfy(
              span -> assertThat(span.attributes()).containsEntry("tls.protocol.version", "1.3"));
      assertThat(app.end()).isZero();
      assertNothingLost(app);
    }
  }

  /** A server for HTTP/2 over TLS, in the test's own process and without the agent. */
  private static Tomcat http2Server() throws Exception {
    Tomcat tomcat = new Tomcat();
    tomcat.setBaseDir(Files.createTempDirectory(directory, "tomcat").toString());
    Connector connector = new Connector("org.apache.coyote.http11.Http11NioProtocol");
    connector.setPort(0);
    connector.setScheme("https");
    connector.setSecure(true);
    connector.setProperty("SSLEnabled", "true");
    SSLHostConfig host = new SSLHostConfig();
    SSLHostConfigCertificate certificate =
        new SSLHostConfigCertificate(host, SSLHostConfigCertificate.Type.UNDEFINED);
    certificate.setCertificateKeystoreFile(keys.store().toString());
    certificate.setCertificateKeystorePassword(PASSWORD);
    certificate.setCertificateKeystoreType("PKCS12");
    certificate.setCertificateKeyAlias("server");
    host.addCertificate(certificate);
    connector.addSslHostConfig(host);
    connector.addUpgradeProtocol(new Http2Protocol());
    tomcat.setConnector(connector);
    Context context = tomcat.addContext("", null);
    Tomcat.addServlet(
            context,
            "echo",
            new HttpServlet() {
              private static final long serialVersionUID = 1;

              @Override
              protected void service(HttpServletRequest request, HttpServletResponse response)
                  throws IOException {
                byte[] body = request.getInputStream().readAllBytes();
                response.getOutputStream().write(body.length > 0 ? body : new byte[100]);
              }
            })
        .addMapping("/*");
    tomcat.start();
    return tomcat;
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void streamsOfOneHttp2ConnectionAreToldApart(Path home) throws Exception {
    TraceStore spans = new TraceStore();
    Tomcat tomcat = http2Server();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = app(home, receiver, tomcat.getConnector().getLocalPort())) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      int count = 0;
      for (int i = 0; i < 7; i++) {
        assertThat(app.get("/http2/" + (100 + count++))).contains("HTTP_2 HTTP_2");
        assertThat(app.get("/http2/" + (100 + count++) + "/50000")).contains(" 50000");
      }
      Burst.run(app, "/burst/2", 1000, 90);
      Map<String, Span> calls = assertCalls(settled(spans), count + 90);
      assertThat(calls.values())
          .allSatisfy(
              span ->
                  assertThat(span.attributes())
                      .containsEntry("network.protocol.version", "2")
                      .containsEntry("tls.next_protocol", "h2"));
      assertThat(app.end()).isZero();
      assertNothingLost(app);
    } finally {
      tomcat.stop();
      tomcat.destroy();
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void aDatabaseThatTurnsToTls(Path home) throws Exception {
    Path readable = Files.createTempDirectory("underspan-tls");
    Files.setPosixFilePermissions(readable, PosixFilePermissions.fromString("rwxr-xr-x"));
    Path certificate = readable.resolve("server.crt");
    Path key = readable.resolve("server.key");
    Files.writeString(certificate, keys.certificate());
    Files.writeString(key, keys.key());
    Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-------"));
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        PostgresLauncher postgres =
            PostgresLauncher.start(
                readable.resolve("log"), Duration.ofSeconds(60), Duration.ofSeconds(10));
        AppUnderAgent app = app(home, receiver, 0)) {
      UserPrincipal owner = Files.getOwner(Path.of("/proc/" + postgres.pid()));
      Files.setOwner(key, owner);
      Properties none = new Properties();
      try (Connection admin = new org.postgresql.Driver().connect(postgres.jdbcUrl(), none);
          Statement statement = admin.createStatement()) {
        statement.execute("alter system set ssl_cert_file = '" + certificate + "'");
        statement.execute("alter system set ssl_key_file = '" + key + "'");
        statement.execute("alter system set ssl = on");
        statement.execute("select pg_reload_conf()");
      }
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      String url = postgres.jdbcUrl() + "&sslmode=require";
      for (int i = 0; i < 11; i++) {
        assertThat(app.get("/postgres/" + i + "?" + url)).isEqualTo("ssl true");
      }
      List<Span> all = settled(spans);
      assertThat(all)
          .filteredOn(
              span ->
                  span.kind() == Span.Kind.CLIENT
                      && String.valueOf(span.attributes().get("db.query.text"))
                          .contains("pg_stat_ssl"))
          .hasSize(11)
          .allSatisfy(
              span -> {
                assertThat(span.parentId()).isNotEmpty();
                assertThat(span.attributes())
                    .containsEntry("db.system.name", "postgresql")
                    .containsEntry("db.namespace", "postgres")
                    .containsEntry("tls.protocol.version", "1.3");
              })
          .extracting(Span::parentId)
          .doesNotHaveDuplicates();
      assertThat(app.end()).isZero();
    } finally {
      Files.deleteIfExists(key);
      Files.deleteIfExists(certificate);
      Files.deleteIfExists(readable.resolve("log"));
      Files.deleteIfExists(readable);
    }
  }

  @Test
  void nettysEngineInNativeCode() throws Exception {
    assumeThat(System.getProperty("os.arch")).isEqualTo("amd64"); // what the library is for
    Path home = Path.of(System.getProperty("java.home"));
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = app(home, receiver, 0)) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      for (int i = 0; i < 10; i++) {
        assertThat(app.get("/netty/" + (100 + i))).startsWith("200 ");
        assertThat(app.get("/netty/" + (200 + i) + "/50000")).isEqualTo("200 50000");
      }
      assertThat(settled(spans))
          .filteredOn(span -> span.kind() == Span.Kind.CLIENT)
          .hasSize(20)
          .allSatisfy(
              span ->
                  assertThat(span.attributes())
                      .containsEntry("http.response.status_code", 200L)
                      .containsEntry("tls.protocol.version", "1.3")
                      .containsEntry("underspan.level", "kernel"))
          .extracting(span -> span.attributes().get("url.full"))
          .doesNotHaveDuplicates();
      assertThat(app.end()).isZero();
      assertNothingLost(app);
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void aHandshakeThatFailsIsASpan(Path home) throws Exception {
    TraceStore spans = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, spans);
        AppUnderAgent app = app(home, receiver, 0)) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      assertThat(app.get("/untrusted/1")).contains("SSLHandshakeException");
      assertThat(app.get("/untrusted/2")).contains("SSLHandshakeException");
      assertThat(settled(spans))
          .filteredOn(span -> span.name().equals("TLS handshake"))
          .hasSize(2)
          .allSatisfy(
              span -> {
                assertThat(span.kind()).isEqualTo(Span.Kind.CLIENT);
                assertThat(span.attributes())
                    .containsEntry("error.type", "javax.net.ssl.SSLHandshakeException");
              })
          // HttpURLConnection works on the handler's thread; the other client's threads have no
          // span, and it alone names a host without a dot.
          .anySatisfy(span -> assertThat(span.parentId()).isNotEmpty())
          .anySatisfy(
              span ->
                  assertThat(span.attributes())
                      .containsEntry("tls.client.server_name", "localhost")
                      .containsEntry("server.address", "localhost"));
      assertThat(app.end()).isZero();
    }
  }
}
