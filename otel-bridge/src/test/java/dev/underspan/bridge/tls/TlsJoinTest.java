package dev.underspan.bridge.tls;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.ConnectionInfo;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.TraceHead;
import dev.underspan.bridge.wire.WireConnection;
import dev.underspan.bridge.wire.WireCounters;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Real engines; the test is the kernel between them, and cuts their ciphertext as it likes. */
class TlsJoinTest {
  private static final char[] PASSWORD = "secret".toCharArray();

  @TempDir static Path directory;
  private static @Nullable SSLContext context;

  private final WireCounters counters = new WireCounters();
  private final List<ClientCall> calls = new ArrayList<>();
  private final TlsTap tap = new TlsTap(counters, new ClientCertificates(false, counters));
  private final TlsJoin join = new TlsJoin(tap, calls::add, counters);

  @BeforeAll
  @SuppressWarnings("NullAway") // JUnit fills the directory in
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
                "CN=localhost",
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
    SSLContext made = SSLContext.getInstance("TLS");
    made.init(mine.getKeyManagers(), trusted.getTrustManagers(), null);
    context = made;
  }

  /** A client and a server, and the connection between them as the kernel would tell of it. */
  private final class Pair {
    final SSLEngine client;
    final SSLEngine server;
    final ByteBuffer toServer = ByteBuffer.allocate(200_000);
    final ByteBuffer toClient = ByteBuffer.allocate(200_000);
    final ConnectionInfo info =
        new ConnectionInfo("127.0.0.1", 5000, "127.0.0.1", 443, true, false, 1, 2);
    @Nullable TlsConnection connection;
    boolean observed = true;
    long clock = 1000;
    long sent;
    long received;
    int captured = 8192;

    /** Span ids of the events to come; 0: none. */
    long span;

    Pair(String protocol) {
      SSLContext c = java.util.Objects.requireNonNull(context);
      client = c.createSSLEngine("localhost", 443);
      client.setUseClientMode(true);
      client.setEnabledProtocols(new String[] {protocol});
      server = c.createSSLEngine();
      server.setUseClientMode(false);
    }

    /** As the advice does it. */
    byte[] wrap(byte @Nullable [] plaintext) throws IOException {
      ByteBuffer[] sources = {ByteBuffer.wrap(plaintext == null ? new byte[0] : plaintext)};
      ByteBuffer target = ByteBuffer.allocate(100_000);
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      do {
        target.clear();
        TlsEngine kept = observed ? tap.known(client) : null;
        if (observed && kept == null) {
          kept = tap.begin(client, true);
        }
        if (kept != null) {
          tap.wrapping(kept, sources, 0, 1);
        }
        SSLEngineResult result = client.wrap(sources, 0, 1, target);
        if (kept != null) {
          tap.wrapped(kept, client, sources, 0, 1, target, result);
        }
        all.write(target.array(), 0, target.position());
      } while (sources[0].hasRemaining()
          || (plaintext == null
              && client.getHandshakeStatus() == SSLEngineResult.HandshakeStatus.NEED_WRAP));
      return all.toByteArray();
    }

    /** What has come for the client, decrypted. */
    byte[] unwrap() throws IOException {
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      toClient.flip();
      SSLEngineResult result;
      do {
        ByteBuffer[] targets = {ByteBuffer.allocate(20_000)};
        TlsEngine kept = observed ? tap.known(client) : null;
        if (kept != null) {
          tap.unwrapping(kept, toClient, targets, 0, 1);
        }
        result = client.unwrap(toClient, targets, 0, 1);
        if (kept != null) {
          tap.unwrapped(kept, client, targets, 0, 1, result);
        }
        all.write(targets[0].array(), 0, targets[0].position());
        tasks(client);
      } while (result.bytesConsumed() > 0
          && client.getHandshakeStatus() != SSLEngineResult.HandshakeStatus.NEED_WRAP);
      toClient.compact();
      return all.toByteArray();
    }

    void tasks(SSLEngine engine) {
      for (Runnable task = engine.getDelegatedTask();
          task != null;
          task = engine.getDelegatedTask()) {
        task.run();
      }
    }

    /** The kernel's event of a send. */
    void send(byte[] ciphertext, int from, int to) {
      sent += to - from;
      event(Direction.SENT, Arrays.copyOfRange(ciphertext, from, to), sent);
      toServer.put(ciphertext, from, to - from);
    }

    void send(byte[] ciphertext) {
      send(ciphertext, 0, ciphertext.length);
    }

    void receive(byte[] ciphertext, int from, int to) {
      received += to - from;
      event(Direction.RECEIVED, Arrays.copyOfRange(ciphertext, from, to), received);
      toClient.put(ciphertext, from, to - from);
    }

    private void event(Direction direction, byte[] bytes, long end) {
      join.poll();
      Chunk chunk = new Chunk();
      chunk.direction = direction;
      clock += 10;
      chunk.timeNs = clock;
      chunk.arrivalNs = direction == Direction.SENT ? 0 : clock - 3;
      chunk.totalLength = bytes.length;
      chunk.length = Math.min(captured, bytes.length);
      chunk.data = Arrays.copyOf(bytes, chunk.length);
      chunk.head = span == 0 ? null : new TraceHead(1, 2, span, 1);
      if (connection == null) {
        connection = join.begin(info, new WireConnection(info, calls::add, counters), chunk);
      }
      if (connection != null) {
        connection.onEvent(chunk, end);
      }
    }

    /** Lets the server handle what has come; what it has to say. */
    byte[] serve(byte @Nullable [] answer) throws IOException {
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      toServer.flip();
      SSLEngineResult result;
      do {
        result = server.unwrap(toServer, ByteBuffer.allocate(20_000));
        tasks(server);
        while (server.getHandshakeStatus() == SSLEngineResult.HandshakeStatus.NEED_WRAP) {
          all.write(wrapServer(ByteBuffer.allocate(0)));
        }
      } while (result.bytesConsumed() > 0 && toServer.hasRemaining());
      toServer.compact();
      if (answer != null) {
        ByteBuffer rest = ByteBuffer.wrap(answer);
        while (rest.hasRemaining()) {
          all.write(wrapServer(rest));
        }
      }
      return all.toByteArray();
    }

    private byte[] wrapServer(ByteBuffer source) throws IOException {
      ByteBuffer target = ByteBuffer.allocate(40_000);
      server.wrap(source, target);
      return Arrays.copyOf(target.array(), target.position());
    }

    Pair handshake() throws IOException {
      client.beginHandshake();
      for (int i = 0; i < 6; i++) {
        byte[] out = wrap(null);
        if (out.length > 0) {
          send(out);
        }
        byte[] in = serve(null);
        if (in.length > 0) {
          receive(in, 0, in.length);
        }
        unwrap();
      }
      assertThat(client.getHandshakeStatus())
          .isEqualTo(SSLEngineResult.HandshakeStatus.NOT_HANDSHAKING);
      return this;
    }

    void call(String path) throws IOException {
      send(wrap(request(path)));
      byte[] in = serve(response(20));
      receive(in, 0, in.length);
      unwrap();
      join.poll();
    }
  }

  private static byte[] request(String path) {
    return ("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] response(int body) {
    return ("HTTP/1.1 200 OK\r\nContent-Length: " + body + "\r\n\r\n" + "x".repeat(body))
        .getBytes(StandardCharsets.US_ASCII);
  }

  private List<String> targets() {
    return calls.stream().map(call -> ((ClientCall.Http) call.details()).target()).toList();
  }

  @ParameterizedTest
  @ValueSource(strings = {"TLSv1.2", "TLSv1.3"})
  void timesAndParentComeFromTheEventThatCarriedTheRecord(String protocol) throws Exception {
    Pair pair = new Pair(protocol).handshake();
    pair.span = 77;
    long before = pair.clock;
    pair.call("/a");
    assertThat(targets()).containsExactly("/a");
    ClientCall call = calls.get(0);
    assertThat(call.startNs()).isEqualTo(before + 10);
    assertThat(call.firstByteNs()).isEqualTo(before + 17);
    assertThat(call.endNs()).isEqualTo(before + 20);
    assertThat(call.parent()).isEqualTo(new TraceHead(1, 2, 77, 1));
    assertThat(call.firstOnConnection()).isTrue();
    assertThat(call.bytesOut()).isEqualTo(request("/a").length);
    assertThat(call.connection().tls()).isNotNull();
    assertThat(java.util.Objects.requireNonNull(call.connection().tls()).protocol)
        .isEqualTo(protocol);
    assertThat(counters.tlsJoined.sum()).isEqualTo(1);
    assertThat(counters.tlsDropped.sum()).isZero();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 5, 7, 27, 100, 4000})
  void howReadsAndSendsCutItDoesNotMatter(int size) throws Exception {
    Pair pair = new Pair("TLSv1.3").handshake();
    for (int i = 0; i < 5; i++) {
      byte[] out = pair.wrap(request("/" + i));
      for (int at = 0; at < out.length; at += size) {
        pair.send(out, at, Math.min(out.length, at + size));
      }
      byte[] in = pair.serve(response(30_000));
      for (int at = 0; at < in.length; at += size) {
        pair.receive(in, at, Math.min(in.length, at + size));
        if (at % 3 == 0) {
          pair.unwrap();
        }
      }
      pair.unwrap();
      join.poll();
    }
    assertThat(targets()).containsExactly("/0", "/1", "/2", "/3", "/4");
    assertThat(calls).allSatisfy(call -> assertThat(call.complete()).isTrue());
    assertThat(counters.tlsDropped.sum()).isZero();
    assertThat(counters.resynchronised.sum()).isZero();
  }

  @Test
  void severalRecordsInOneWriteOfWhichTheFirstIsSeenOnly() throws Exception {
    Pair pair = new Pair("TLSv1.3").handshake();
    pair.captured = 64;
    pair.span = 5;
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(pair.wrap(request("/0")));
    out.write(pair.wrap(request("/1")));
    out.write(pair.wrap(request("/2")));
    pair.send(out.toByteArray());
    ByteArrayOutputStream in = new ByteArrayOutputStream();
    for (int i = 0; i < 3; i++) {
      in.write(pair.serve(response(10)));
    }
    pair.receive(in.toByteArray(), 0, in.size());
    pair.unwrap();
    join.poll();
    assertThat(targets()).containsExactly("/0", "/1", "/2");
    assertThat(calls)
        .allSatisfy(
            call ->
                assertThat(java.util.Objects.requireNonNull(call.parent()).spanId()).isEqualTo(5));
  }

  @Test
  void aLostEventCostsItsCallOnly() throws Exception {
    Pair pair = new Pair("TLSv1.3").handshake();
    pair.call("/0");
    byte[] lost = pair.wrap(request("/lost"));
    pair.sent += lost.length; // the ring was full
    pair.toServer.put(lost);
    byte[] in = pair.serve(response(10));
    pair.receive(in, 0, in.length);
    pair.unwrap();
    join.poll();
    pair.call("/2");
    pair.call("/3");
    assertThat(targets()).containsExactly("/0", "/2", "/3");
    assertThat(counters.tlsDropped.sum()).isEqualTo(1);
  }

  @Test
  void aLostReadIsFoundByItsPosition() throws Exception {
    Pair pair = new Pair("TLSv1.3").handshake();
    pair.send(pair.wrap(request("/0")));
    byte[] in = pair.serve(response(10));
    pair.received += in.length;
    pair.toClient.put(in);
    pair.unwrap();
    join.poll();
    pair.call("/1");
    pair.call("/2");
    assertThat(targets()).containsExactly("/0", "/1", "/2");
    assertThat(counters.tlsUntimed.sum()).isEqualTo(1);
    assertThat(counters.tlsDropped.sum()).isZero();
  }

  @Test
  void anEngineThatWasThereBeforeIsJoinedByItsNextRecord() throws Exception {
    Pair pair = new Pair("TLSv1.3");
    pair.observed = false;
    pair.handshake();
    pair.observed = true;
    pair.call("/0");
    pair.call("/1");
    assertThat(targets()).containsExactly("/0", "/1");
    assertThat(calls.get(0).firstOnConnection()).isFalse();
  }

  @Test
  void plaintextBeforeTheHandshakeMovesPositions() throws Exception {
    Pair pair = new Pair("TLSv1.3");
    pair.sent = 8;
    pair.received = 1;
    pair.handshake();
    pair.call("/0");
    assertThat(targets()).containsExactly("/0");
  }

  @Test
  void anEngineOnNoConnectionIsGivenUp() throws Exception {
    Pair pair = new Pair("TLSv1.3");
    pair.client.beginHandshake();
    for (int i = 0; i < 6; i++) {
      pair.toServer.put(pair.wrap(null));
      pair.toClient.put(pair.serve(null));
      pair.unwrap();
    }
    for (int i = 0; i < 200; i++) {
      pair.wrap(request("/" + i));
      join.poll();
    }
    TlsEngine kept = java.util.Objects.requireNonNull(tap.known(pair.client));
    assertThat(kept.out.waiting.size()).isLessThanOrEqualTo(32);
    assertThat(counters.tlsDropped.sum()).isGreaterThanOrEqualTo(168);
    assertThat(calls).isEmpty();
  }

  @Test
  void anotherConnectionsCiphertextIsNotTaken() throws Exception {
    Pair pair = new Pair("TLSv1.3").handshake();
    pair.call("/0");
    // The socket carries something that the engine has not made, at the place of what it has.
    byte[] own = pair.wrap(request("/1"));
    byte[] other = own.clone();
    other[20] ^= 1;
    pair.sent += own.length;
    pair.event(Direction.SENT, other, pair.sent);
    assertThat(counters.tlsMismatched.sum()).isEqualTo(1);
    assertThat(targets()).containsExactly("/0");
  }

  @Test
  void theQueueIsBounded() throws Exception {
    Pair pair = new Pair("TLSv1.3").handshake();
    byte[] large = new byte[16_000];
    for (int i = 0; i < 2000; i++) {
      pair.wrap(large);
    }
    assertThat(counters.tlsDropped.sum()).isBetween(900L, 1100L);
  }

  @Test
  void afterKeysWereChangedItGoesOn() throws Exception {
    Pair pair = new Pair("TLSv1.3").handshake();
    pair.call("/0");
    pair.client.beginHandshake(); // since TLS 1.3 an update of the keys
    for (int i = 0; i < 3; i++) {
      byte[] out = pair.wrap(null);
      if (out.length > 0) {
        pair.send(out);
      }
      byte[] in = pair.serve(null);
      if (in.length > 0) {
        pair.receive(in, 0, in.length);
      }
      pair.unwrap();
    }
    pair.call("/1");
    assertThat(targets()).containsExactly("/0", "/1");
  }

  @Test
  void aFailureIsToldOfAConnectionThatIsClosed() throws Exception {
    Pair pair = new Pair("TLSv1.3");
    pair.span = 77;
    pair.client.beginHandshake();
    pair.send(pair.wrap(null));
    java.util.Objects.requireNonNull(pair.connection).onClose(pair.clock);
    TlsEngine kept = java.util.Objects.requireNonNull(tap.known(pair.client));
    for (int i = 0; i < 2; i++) { // once is enough
      tap.failed(kept, pair.client, new javax.net.ssl.SSLHandshakeException("no"), null);
      join.poll();
    }
    assertThat(calls).hasSize(1);
    assertThat(calls.get(0).errorType()).isEqualTo("javax.net.ssl.SSLHandshakeException");
    assertThat(calls.get(0).parent()).isEqualTo(new TraceHead(1, 2, 77, 1));
    assertThat(kept.out.connection).isNull();
  }

  /**
   * Its end is read when the application's thread has noted the failure, and before it tells it.
   */
  @Test
  void aFailureIsToldIfTheConnectionIsClosedAtTheSameTime() throws Exception {
    Pair pair = new Pair("TLSv1.3");
    pair.client.beginHandshake();
    pair.send(pair.wrap(null));
    TlsEngine kept = java.util.Objects.requireNonNull(tap.known(pair.client));
    tap.failed(kept, pair.client, new javax.net.ssl.SSLHandshakeException("no"), null);
    java.util.Objects.requireNonNull(pair.connection).onClose(pair.clock);
    join.poll();
    assertThat(calls).hasSize(1);
    assertThat(calls.get(0).errorType()).isEqualTo("javax.net.ssl.SSLHandshakeException");
    assertThat(kept.out.connection).isNull();
  }
}
