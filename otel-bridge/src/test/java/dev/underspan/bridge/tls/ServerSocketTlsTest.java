package dev.underspan.bridge.tls;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.bridge.wire.ClientCertificate;
import dev.underspan.bridge.wire.WireCounters;
import java.io.ByteArrayOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Sockets of a server, as advice tells of them: real ones, whose output the test looks at. */
@NullUnmarked
class ServerSocketTlsTest {
  private static final char[] PASSWORD = "secret".toCharArray();

  @TempDir static Path directory;
  private static SSLContext context;

  private final WireCounters counters = new WireCounters();
  private final TlsTap tap = new TlsTap(counters, new ClientCertificates(true, counters));
  private final TlsFlow flow = tap.begin(true);
  private final ByteArrayOutputStream written = new ByteArrayOutputStream();

  @BeforeAll
  static void makeKeys() throws Exception {
    Path store = directory.resolve("keys.p12");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "a",
                "-keyalg",
                "EC",
                "-dname",
                "CN=somebody",
                "-storetype",
                "PKCS12",
                "-keystore",
                store.toString(),
                "-storepass",
                new String(PASSWORD))
            .redirectErrorStream(true)
            .start();
    assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, PASSWORD);
    }
    KeyManagerFactory mine = KeyManagerFactory.getInstance("PKIX");
    mine.init(keys, PASSWORD);
    KeyStore trust = KeyStore.getInstance("PKCS12");
    trust.load(null, null);
    trust.setCertificateEntry("a", keys.getCertificate("a"));
    TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
    trusted.init(trust);
    context = SSLContext.getInstance("TLS");
    context.init(mine.getKeyManagers(), trusted.getTrustManagers(), null);
  }

  /** What goes out of it is told as the advice tells it. */
  private final class Told extends Socket {
    private final Socket network;

    Told(Socket network) {
      this.network = network;
    }

    @Override
    public boolean isConnected() {
      return true;
    }

    @Override
    public InetAddress getInetAddress() {
      return network.getInetAddress();
    }

    @Override
    public int getPort() {
      return network.getPort();
    }

    @Override
    public InputStream getInputStream() throws IOException {
      return network.getInputStream();
    }

    @Override
    public OutputStream getOutputStream() throws IOException {
      return new FilterOutputStream(network.getOutputStream()) {
        @Override
        public void write(byte[] data, int offset, int length) throws IOException {
          written.write(data, offset, length);
          tap.writing(flow, data, offset, length);
          out.write(data, offset, length);
        }
      };
    }

    @Override
    public synchronized void close() throws IOException {
      network.close();
    }
  }

  @ParameterizedTest
  @CsvSource({"TLSv1.3, true", "TLSv1.2, true", "TLSv1.3, false"})
  void aClientsCertificateIsKeptUnderTheServersHello(String protocol, boolean wanted)
      throws Exception {
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      CompletableFuture<Void> client =
          CompletableFuture.runAsync(
              () -> {
                try (SSLSocket socket =
                    (SSLSocket)
                        context
                            .getSocketFactory()
                            .createSocket(listener.getInetAddress(), listener.getLocalPort())) {
                  socket.setEnabledProtocols(new String[] {protocol});
                  socket.startHandshake();
                  assertThat(socket.getInputStream().read()).isEqualTo('x');
                } catch (IOException e) {
                  throw new IllegalStateException(e);
                }
              });
      try (SSLSocket server =
          (SSLSocket)
              context
                  .getSocketFactory()
                  .createSocket(new Told(listener.accept()), (InputStream) null, true)) {
        server.setUseClientMode(false);
        server.setWantClientAuth(wanted);
        tap.handshaking();
        server.startHandshake();
        tap.handshaken(server, null, null);
        server.getOutputStream().write('x');
        client.get(30, TimeUnit.SECONDS);
      }
    }
    byte[] sent = written.toByteArray();
    TlsKey hello = TlsKey.of(sent, 0, sent.length);
    assertThat(hello).isNotNull();
    assertThat(TlsKey.hello(sent, 0, sent.length)).isEqualTo(TlsKey.SERVER_HELLO);
    ClientCertificate kept = tap.certificates().take(hello);
    if (wanted) {
      assertThat(kept.subject()).isEqualTo("CN=somebody");
      assertThat(kept.sha256()).matches("[0-9A-F]{64}");
    } else {
      assertThat(kept).isNull();
    }
    assertThat(tap.certificates().take(hello)).isNull();
    assertThat(tap.poll()).isNull(); // no more is told of a server
  }
}
