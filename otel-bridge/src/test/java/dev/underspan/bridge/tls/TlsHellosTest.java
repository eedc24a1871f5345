package dev.underspan.bridge.tls;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.TlsFacts;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Of real handshakes, between engines of the JDK. */
class TlsHellosTest {
  @TempDir private static Path directory = Path.of("unset");
  private static @Nullable KeyStore keys;
  private @Nullable SSLContext context;
  private @Nullable TlsHellos hellos;
  private int cut = Integer.MAX_VALUE;
  private long time;

  @BeforeAll
  static void makeKeys() throws Exception {
    Path store = directory.resolve("keys");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "server",
                "-keyalg",
                "EC",
                "-dname",
                "CN=example.test",
                "-ext",
                "san=dns:example.test",
                "-storetype",
                "PKCS12",
                "-keystore",
                store.toString(),
                "-storepass",
                "secret")
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    KeyStore loaded = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      loaded.load(in, "secret".toCharArray());
    }
    keys = loaded;
  }

  /** One that has no sessions yet. */
  private void makeContext() throws Exception {
    KeyStore keys = java.util.Objects.requireNonNull(TlsHellosTest.keys);
    KeyManagerFactory own = KeyManagerFactory.getInstance("PKIX");
    own.init(keys, "secret".toCharArray());
    KeyStore trust = KeyStore.getInstance("PKCS12");
    trust.load(null, null);
    trust.setCertificateEntry("server", keys.getCertificate("server"));
    TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
    trusted.init(trust);
    SSLContext fresh = SSLContext.getInstance("TLS");
    fresh.init(own.getKeyManagers(), trusted.getTrustManagers(), null);
    context = fresh;
  }

  private void feed(Direction direction, ByteBuffer bytes) {
    while (bytes.hasRemaining()) {
      int most = direction == Direction.SENT ? bytes.remaining() : cut; // a hello is sent whole
      byte[] piece = new byte[Math.min(most, bytes.remaining())];
      bytes.get(piece);
      Chunk chunk = new Chunk();
      chunk.direction = direction;
      chunk.timeNs = ++time;
      chunk.totalLength = piece.length;
      chunk.data = piece;
      chunk.length = piece.length;
      hellos = TlsHellos.feed(hellos, chunk, Direction.SENT, false);
    }
  }

  private TlsFacts handshake(String protocol) throws Exception {
    hellos = null;
    SSLContext tls = java.util.Objects.requireNonNull(context);
    SSLEngine client = tls.createSSLEngine("example.test", 443);
    client.setUseClientMode(true);
    SSLParameters parameters = client.getSSLParameters();
    parameters.setProtocols(new String[] {protocol});
    parameters.setServerNames(List.of(new SNIHostName("example.test")));
    parameters.setApplicationProtocols(new String[] {"h2", "http/1.1"});
    client.setSSLParameters(parameters);
    SSLEngine server = tls.createSSLEngine();
    server.setUseClientMode(false);
    SSLParameters offered = server.getSSLParameters();
    offered.setApplicationProtocols(new String[] {"http/1.1"});
    server.setSSLParameters(offered);
    ByteBuffer toServer = ByteBuffer.allocate(1 << 16);
    ByteBuffer toClient = ByteBuffer.allocate(1 << 16);
    ByteBuffer sink = ByteBuffer.allocate(1 << 16);
    client.beginHandshake();
    server.beginHandshake();
    for (int i = 0; i < 100; i++) {
      step(client, toServer, toClient, Direction.SENT, sink);
      step(server, toClient, toServer, Direction.RECEIVED, sink);
    }
    // Tickets, after which the session can go on.
    assertThat(client.getHandshakeStatus()).isEqualTo(HandshakeStatus.NOT_HANDSHAKING);
    client.closeOutbound();
    step(client, toServer, toClient, Direction.SENT, sink);
    TlsHellos known = java.util.Objects.requireNonNull(hellos);
    assertThat(known.facts().cipher).isEqualTo(client.getSession().getCipherSuite());
    return known.facts();
  }

  private void step(
      SSLEngine engine, ByteBuffer out, ByteBuffer in, Direction direction, ByteBuffer sink)
      throws Exception {
    Runnable task = engine.getDelegatedTask();
    while (task != null) {
      task.run();
      task = engine.getDelegatedTask();
    }
    if (in.position() > 0) {
      in.flip();
      engine.unwrap(in, sink);
      in.compact();
    }
    if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP
        || engine.getHandshakeStatus() == HandshakeStatus.NOT_HANDSHAKING) {
      ByteBuffer made = out.duplicate();
      engine.wrap(ByteBuffer.allocate(0), out);
      feed(direction, made.limit(out.position()));
    }
  }

  @Test
  void newerAndOlderVersions() throws Exception {
    for (int each : new int[] {Integer.MAX_VALUE, 1, 5, 100}) {
      makeContext();
      cut = each;
      TlsFacts facts = handshake("TLSv1.3");
      assertThat(facts.protocol).isEqualTo("TLSv1.3");
      assertThat(facts.serverName).isEqualTo("example.test");
      assertThat(facts.resumed).isFalse();
      assertThat(facts.helloNs).isPositive();
      assertThat(handshake("TLSv1.3").resumed).isTrue();
      makeContext();
      facts = handshake("TLSv1.2");
      assertThat(facts.protocol).isEqualTo("TLSv1.2");
      assertThat(facts.serverName).isEqualTo("example.test");
      assertThat(facts.nextProtocol).isEqualTo("http/1.1");
      assertThat(facts.resumed).isFalse();
      assertThat(handshake("TLSv1.2").resumed).isTrue();
    }
  }

  @Test
  void anythingElseIsNoHello() {
    feed(Direction.SENT, ByteBuffer.wrap("GET / HTTP/1.1\r\n".getBytes(StandardCharsets.US_ASCII)));
    assertThat(hellos).isNull();
    java.util.Random random = new java.util.Random(1);
    for (int i = 0; i < 2000; i++) {
      byte[] bytes = new byte[random.nextInt(300)];
      random.nextBytes(bytes);
      byte[] begin = {0x16, 3, 1, 1, 0, 1, 0, 0, 100, 3, 3};
      System.arraycopy(begin, 0, bytes, 0, Math.min(begin.length, bytes.length));
      feed(Direction.SENT, ByteBuffer.wrap(bytes));
      if (bytes.length > 5) {
        bytes[5] = 2;
      }
      feed(Direction.RECEIVED, ByteBuffer.wrap(bytes));
    }
  }
}
