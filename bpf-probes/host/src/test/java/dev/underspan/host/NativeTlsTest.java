package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import jnr.ffi.LibraryLoader;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;
import jnr.ffi.types.size_t;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What calls into OpenSSL's library show, and on which connection. */
@NullUnmarked
@SuppressWarnings("ArrayRecordComponent") // never compared
class NativeTlsTest {
  private static final int RTLD_NOW = 2;
  private static final int SSL_VERIFY_PEER = 1;
  private static final int SSL_R_CERTIFICATE_VERIFY_FAILED = 134;
  private static final byte[] HTTP2 =
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

  @TempDir static Path directory;
  private static KernelProbes probes;
  private static TlsLibraries libraries;
  private static Path library;
  private static Ssl ssl;
  private static Libc libc;
  private static SSLServerSocket listener;
  private final Random random = new Random(1);

  /** Functions of libssl. */
  @SuppressWarnings("checkstyle:MethodName")
  public interface Ssl {
    Pointer TLS_client_method();

    Pointer SSL_CTX_new(Pointer method);

    Pointer SSL_new(Pointer context);

    int SSL_set_fd(Pointer ssl, int fd);

    int SSL_connect(Pointer ssl);

    void SSL_set_verify(Pointer ssl, int mode, Pointer callback);

    void SSL_set_connect_state(Pointer ssl);

    int SSL_write(Pointer ssl, Pointer buffer, int length);

    int SSL_read(Pointer ssl, Pointer buffer, int length);

    int SSL_write_ex(Pointer ssl, Pointer buffer, @size_t long length, Pointer written);

    int SSL_read_ex(Pointer ssl, Pointer buffer, @size_t long length, Pointer read);

    void SSL_free(Pointer ssl);
  }

  /** Functions of libc. */
  public interface Libc {
    int socket(int family, int type, int protocol);

    int connect(int fd, byte[] address, int length);

    int close(int fd);

    Pointer dlopen(String path, int flags);

    int dlclose(Pointer library);
  }

  private record Told(
      int type, long cookie, int secured, int total, byte[] payload, byte[] tail, long beginNs) {}

  @BeforeAll
  static void open() throws Exception {
    TestProbes.needSockets();
    probes = TestProbes.open();
    libraries = probes.watchTlsLibraries();
    assertThat(libraries.refresh()).isEmpty();
    library = libssl();
    libc = LibraryLoader.create(Libc.class).load("c");
    libraries.refresh();
    long before = probes.libraryChanges();
    ssl = LibraryLoader.create(Ssl.class).load(library.toString());
    assertThat(probes.libraryChanges()).isGreaterThan(before);
    assertThat(libraries.refresh()).containsExactly(library.toRealPath().toString());
    assertThat(libraries.refresh()).isEmpty();
    listener = listen();
  }

  private static Path libssl() throws Exception {
    for (String folder : List.of("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")) {
      for (String name : List.of("libssl.so.3", "libssl.so.1.1")) {
        if (Files.exists(Path.of(folder, name))) {
          return Path.of(folder, name);
        }
      }
    }
    throw new AssertionError("no libssl here: apt-get install libssl3");
  }

  private static SSLServerSocket listen() throws Exception {
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
                "CN=localhost",
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
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, "secret".toCharArray());
    }
    KeyManagerFactory own = KeyManagerFactory.getInstance("PKIX");
    own.init(keys, "secret".toCharArray());
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(own.getKeyManagers(), null, null);
    return (SSLServerSocket)
        context
            .getServerSocketFactory()
            .createServerSocket(0, 50, InetAddress.getByAddress(new byte[] {127, 0, 0, 1}));
  }

  @AfterAll
  static void close() throws Exception {
    if (listener != null) {
      listener.close();
    }
    if (probes != null) {
      probes.close();
    }
  }

  private interface Work {
    void run(Pointer ssl) throws Exception;
  }

  /** What was told of a client that OpenSSL makes, of a server that gives back what it gets. */
  private static List<Told> session(boolean connectFirst, Work work) throws Exception {
    probes.events().drain(event -> {});
    Thread echo =
        new Thread(
            () -> {
              try (SSLSocket socket = (SSLSocket) listener.accept()) {
                InputStream in = socket.getInputStream();
                OutputStream out = socket.getOutputStream();
                byte[] bytes = new byte[1 << 16];
                for (int n = in.read(bytes); n > 0; n = in.read(bytes)) {
                  out.write(bytes, 0, n);
                }
              } catch (Exception e) {
                // the client is gone
              }
            });
    echo.start();
    int fd = libc.socket(2, 1, 0);
    int port = listener.getLocalPort();
    byte[] address = new byte[16];
    address[0] = 2;
    address[2] = (byte) (port >> 8);
    address[3] = (byte) port;
    address[4] = 127;
    address[7] = 1;
    assertThat(libc.connect(fd, address, address.length)).isZero();
    Pointer session = ssl.SSL_new(ssl.SSL_CTX_new(ssl.TLS_client_method()));
    ssl.SSL_set_fd(session, fd);
    if (connectFirst) {
      assertThat(ssl.SSL_connect(session)).isEqualTo(1);
    } else {
      ssl.SSL_set_connect_state(session);
    }
    work.run(session);
    ssl.SSL_free(session);
    libc.close(fd);
    echo.join();
    List<Told> told = new ArrayList<>();
    Map<Integer, Long> ends = new HashMap<>();
    probes
        .events()
        .drain(
            event -> {
              boolean plain =
                  event.type() == Layout.EVENT_PLAIN_SENT
                      || event.type() == Layout.EVENT_PLAIN_RECEIVED
                      || event.type() == Layout.EVENT_TLS_FAILED;
              if (event.role() == Layout.ROLE_CLIENT && (plain || event.remotePort() == port)) {
                TestProbes.assertFollows(ends, event);
                byte[] payload = new byte[event.captured()];
                event.payload(payload);
                told.add(
                    new Told(
                        event.type(),
                        event.cookie(),
                        event.isSecured() ? 1 : 0,
                        event.total(),
                        payload,
                        event.tail(),
                        event.beginNs()));
              }
            });
    return told;
  }

  private static Pointer memory(byte[] bytes) {
    Pointer memory = Runtime.getSystemRuntime().getMemoryManager().allocateDirect(bytes.length);
    memory.put(0, bytes, 0, bytes.length);
    return memory;
  }

  private byte[] bytes(int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }

  private static List<Told> plain(List<Told> told, int type) {
    return told.stream().filter(one -> one.type == type).toList();
  }

  @Test
  void plaintextIsOnTheConnectionThatCarriedIt() throws Exception {
    byte[] sent = bytes(200);
    byte[] first = new byte[70];
    byte[] second = new byte[200];
    List<Told> told =
        session(
            true,
            session -> {
              assertThat(ssl.SSL_write(session, memory(sent), sent.length)).isEqualTo(sent.length);
              Pointer into = memory(first);
              assertThat(ssl.SSL_read(session, into, first.length)).isEqualTo(first.length);
              into.get(0, first, 0, first.length);
              // Of the same record: no socket is read for it.
              into = memory(second);
              assertThat(ssl.SSL_read(session, into, second.length)).isEqualTo(130);
            });
    assertThat(told).extracting(Told::cookie).doesNotContain(0L);
    assertThat(told.stream().map(Told::cookie).distinct()).hasSize(1);
    Told write = plain(told, Layout.EVENT_PLAIN_SENT).get(0);
    assertThat(write.payload).isEqualTo(sent);
    assertThat(write.total).isEqualTo(sent.length);
    assertThat(write.beginNs).isPositive();
    List<Told> reads = plain(told, Layout.EVENT_PLAIN_RECEIVED);
    assertThat(reads).hasSize(2);
    assertThat(reads.get(0).payload).isEqualTo(first).isEqualTo(Arrays.copyOf(sent, 70));
    assertThat(reads.get(0).beginNs).isPositive();
    assertThat(reads.get(1).payload).isEqualTo(Arrays.copyOfRange(sent, 70, 200));
    assertThat(reads.get(1).beginNs).isZero();
    // The handshake was not in these calls, what carried the plaintext was, and came before it.
    List<Told> sends = plain(told, Layout.EVENT_SENT);
    assertThat(sends.get(0).secured).isZero();
    Told carrier = sends.get(sends.size() - 1);
    assertThat(carrier.secured).isEqualTo(1);
    assertThat(told.indexOf(carrier)).isEqualTo(told.indexOf(write) - 1);
    assertThat(carrier.beginNs).isEqualTo(write.beginNs);
  }

  @Test
  void theOtherFormsAndHandshakesWithin() throws Exception {
    byte[] sent = bytes(30_011);
    byte[] received = new byte[sent.length];
    List<Told> told =
        session(
            false,
            session -> {
              Pointer moved = memory(new byte[8]);
              assertThat(ssl.SSL_write_ex(session, memory(sent), sent.length, moved)).isEqualTo(1);
              assertThat(moved.getLong(0)).isEqualTo(sent.length);
              int at = 0;
              while (at < sent.length) {
                Pointer into = memory(received);
                assertThat(ssl.SSL_read_ex(session, into, received.length, moved)).isEqualTo(1);
                into.get(0, received, at, (int) moved.getLong(0));
                at += (int) moved.getLong(0);
              }
            });
    assertThat(received).isEqualTo(sent);
    assertThat(told.stream().map(Told::cookie).distinct()).hasSize(1);
    Told write = plain(told, Layout.EVENT_PLAIN_SENT).get(0);
    assertThat(plain(told, Layout.EVENT_PLAIN_SENT)).hasSize(1);
    assertThat(write.total).isEqualTo(sent.length);
    assertThat(write.payload).isEqualTo(Arrays.copyOf(sent, Layout.PAYLOAD_LARGE));
    assertThat(write.tail)
        .isEqualTo(Arrays.copyOfRange(sent, sent.length - Layout.TAIL_BYTES, sent.length));
    int at = 0;
    for (Told read : plain(told, Layout.EVENT_PLAIN_RECEIVED)) {
      assertThat(read.payload).isEqualTo(Arrays.copyOfRange(sent, at, at + read.payload.length));
      at += read.total;
    }
    assertThat(at).isEqualTo(sent.length);
    assertThat(plain(told, Layout.EVENT_SENT)).allSatisfy(one -> assertThat(one.secured).isOne());
  }

  @Test
  void ofHttp2MoreIsKept() throws Exception {
    byte[] sent = bytes(20_011);
    System.arraycopy(HTTP2, 0, sent, 0, HTTP2.length);
    List<Told> told =
        session(
            true,
            session ->
                assertThat(ssl.SSL_write(session, memory(sent), sent.length))
                    .isEqualTo(sent.length));
    assertThat(plain(told, Layout.EVENT_PLAIN_SENT).get(0).payload).isEqualTo(sent);
  }

  @Test
  void callsThatFailTellNothing() throws Exception {
    Pointer session = ssl.SSL_new(ssl.SSL_CTX_new(ssl.TLS_client_method()));
    probes.events().drain(event -> {});
    assertThat(ssl.SSL_write(session, memory(new byte[10]), 10)).isNegative();
    assertThat(ssl.SSL_read(session, memory(new byte[10]), 10)).isNegative();
    ssl.SSL_free(session);
    List<Integer> types = new ArrayList<>();
    probes.events().drain(event -> types.add(event.type()));
    assertThat(types)
        .doesNotContain(Layout.EVENT_PLAIN_SENT)
        .doesNotContain(Layout.EVENT_PLAIN_RECEIVED);
  }

  /** The server's certificate is nobody's that the client knows. */
  @Test
  void aHandshakeThatFailsTellsWhy() throws Exception {
    List<Told> told =
        session(
            false,
            session -> {
              ssl.SSL_set_verify(session, SSL_VERIFY_PEER, null);
              assertThat(ssl.SSL_connect(session)).isNegative();
              assertThat(ssl.SSL_connect(session)).isNegative(); // it is over already
            });
    assertFailed(told);
    told =
        session(
            false,
            session -> {
              ssl.SSL_set_verify(session, SSL_VERIFY_PEER, null);
              assertThat(ssl.SSL_write(session, memory(new byte[10]), 10)).isNegative();
            });
    assertFailed(told);
  }

  private static void assertFailed(List<Told> told) {
    assertThat(told.stream().map(Told::cookie).distinct()).hasSize(1);
    assertThat(plain(told, Layout.EVENT_TLS_FAILED))
        .singleElement()
        .satisfies(
            one -> {
              assertThat(one.total).isEqualTo(SSL_R_CERTIFICATE_VERIFY_FAILED);
              assertThat(one.payload).isEmpty();
            });
    assertThat(plain(told, Layout.EVENT_PLAIN_SENT)).isEmpty();
    // Behind what was sent last: the alert.
    int sent =
        told.lastIndexOf(
            told.stream()
                .filter(o -> o.type == Layout.EVENT_SENT)
                .reduce((a, b) -> b)
                .orElseThrow());
    assertThat(told.indexOf(plain(told, Layout.EVENT_TLS_FAILED).get(0))).isGreaterThan(sent);
  }

  @Test
  void aLibraryIsFoundByWhatItHasAndLeftWhenItGoes() throws Exception {
    // OpenSSL's own asks never to be unmapped.
    Path source = directory.resolve("other.c");
    Files.writeString(
        source,
        """
        int SSL_read(void *s, void *b, int n) { return n; }
        int SSL_write(void *s, const void *b, int n) { return n; }
        """);
    Path copy = directory.resolve("other.bin");
    Process compiler =
        new ProcessBuilder("cc", "-shared", "-fPIC", "-o", copy.toString(), source.toString())
            .inheritIO()
            .start();
    assertThat(compiler.waitFor()).isZero();
    libraries.refresh();
    probes.events().drain(event -> {});
    Thread sleeper = TestProbes.sleepUntilEvent(probes);
    long before = probes.libraryChanges();
    Pointer handle = libc.dlopen(copy.toString(), RTLD_NOW);
    assertThat(handle).isNotNull();
    sleeper.join(TestProbes.SLEEP_MS / 2);
    assertThat(sleeper.isAlive()).as("still asleep").isFalse();
    assertThat(probes.libraryChanges()).isGreaterThan(before);
    assertThat(libraries.refresh()).containsExactly(copy.toString());
    before = probes.libraryChanges();
    assertThat(libc.dlclose(handle)).isZero();
    assertThat(probes.libraryChanges()).isGreaterThan(before);
    assertThat(libraries.refresh()).containsExactly("gone: " + copy);
    // One that is deleted as soon as it is loaded, as those in jars are.
    handle = libc.dlopen(copy.toString(), RTLD_NOW);
    Files.delete(copy);
    assertThat(libraries.refresh()).containsExactly(copy.toString());
    assertThat(libc.dlclose(handle)).isZero();
    assertThat(libraries.refresh()).containsExactly("gone: " + copy);
  }
}
