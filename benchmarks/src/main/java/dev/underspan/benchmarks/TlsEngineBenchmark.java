package dev.underspan.benchmarks;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.TrustManagerFactory;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Small records through the JDK's {@code SSLEngine}, in a JVM with or without the agent. The
 * handshake and some records go over a real connection, so that the agent knows the client's engine
 * as that connection's; what is measured then stays in memory. It is what advice does on the
 * application's thread, and that the agent's thread takes it and finds no event for it.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Benchmark)
public class TlsEngineBenchmark {
  private static final String PASSWORD = "secret";
  private static final int BEFORE = 8;

  /** Bytes of plaintext in a record. */
  @Param({"100", "8000"})
  public int size;

  private SSLEngine client;
  private SSLEngine server;
  private SocketChannel clientChannel;
  private SocketChannel serverChannel;
  private ByteBuffer plaintext;
  private final ByteBuffer ciphertext = ByteBuffer.allocate(20_000);
  private final ByteBuffer opened = ByteBuffer.allocate(20_000);

  /** Connects the engines. */
  @Setup
  public void connect() throws Throwable {
    InRequest.awaitAgent();
    plaintext = ByteBuffer.allocate(size);
    SSLContext context = context();
    client = context.createSSLEngine("localhost", 443);
    client.setUseClientMode(true);
    server = context.createSSLEngine();
    server.setUseClientMode(false);
    try (ServerSocketChannel listener =
        ServerSocketChannel.open()
            .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))) {
      clientChannel = SocketChannel.open(listener.getLocalAddress());
      serverChannel = listener.accept();
    }
    handshake();
    for (int i = 0; i < BEFORE; i++) {
      send(client, clientChannel, server, serverChannel);
      send(server, serverChannel, client, clientChannel);
      Thread.sleep(50); // so that the agent has read of it
    }
  }

  /** The connection. */
  @TearDown
  public void close() throws IOException {
    clientChannel.close();
    serverChannel.close();
  }

  private static SSLContext context() throws Exception {
    Path directory = Files.createTempDirectory("underspan-bench");
    Path store = directory.resolve("keys");
    try {
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
                  PASSWORD)
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      if (process.waitFor() != 0) {
        throw new IllegalStateException("no key was made");
      }
      KeyStore keys = KeyStore.getInstance("PKCS12");
      try (InputStream in = Files.newInputStream(store)) {
        keys.load(in, PASSWORD.toCharArray());
      }
      KeyManagerFactory own = KeyManagerFactory.getInstance("PKIX");
      own.init(keys, PASSWORD.toCharArray());
      KeyStore trust = KeyStore.getInstance("PKCS12");
      trust.load(null, null);
      trust.setCertificateEntry("server", keys.getCertificate("server"));
      TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
      trusted.init(trust);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(own.getKeyManagers(), trusted.getTrustManagers(), null);
      return context;
    } finally {
      Files.deleteIfExists(store);
      Files.delete(directory);
    }
  }

  private void handshake() throws IOException {
    ByteBuffer toClient = ByteBuffer.allocate(50_000).limit(0);
    ByteBuffer toServer = ByteBuffer.allocate(50_000).limit(0);
    client.beginHandshake();
    server.beginHandshake();
    do {
      step(client, clientChannel, serverChannel, toClient, toServer);
      step(server, serverChannel, clientChannel, toServer, toClient);
    } while (isHandshaking(client)
        || isHandshaking(server)
        || toClient.hasRemaining()
        || toServer.hasRemaining());
  }

  private static boolean isHandshaking(SSLEngine engine) {
    return engine.getHandshakeStatus() != HandshakeStatus.NOT_HANDSHAKING;
  }

  /** One of them does what it is to do next. */
  private void step(
      SSLEngine engine, SocketChannel out, SocketChannel in, ByteBuffer own, ByteBuffer others)
      throws IOException {
    runTasks(engine);
    if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP) {
      ciphertext.clear();
      engine.wrap(ByteBuffer.allocate(0), ciphertext);
      move(out, in);
      others.compact().put(ciphertext).flip();
    } else if (own.hasRemaining()) {
      opened.clear();
      engine.unwrap(own, opened);
    }
  }

  private static void runTasks(SSLEngine engine) {
    for (Runnable task = engine.getDelegatedTask();
        task != null;
        task = engine.getDelegatedTask()) {
      task.run();
    }
  }

  /** The ciphertext over the connection. */
  private void move(SocketChannel out, SocketChannel in) throws IOException {
    ciphertext.flip();
    int length = ciphertext.remaining();
    while (ciphertext.hasRemaining()) {
      out.write(ciphertext);
    }
    ciphertext.clear().limit(length);
    while (ciphertext.hasRemaining()) {
      if (in.read(ciphertext) < 0) {
        throw new IOException("closed");
      }
    }
    ciphertext.flip();
  }

  private void send(SSLEngine from, SocketChannel out, SSLEngine to, SocketChannel in)
      throws IOException {
    wrap(from);
    move(out, in);
    unwrap(to);
  }

  private void wrap(SSLEngine from) throws IOException {
    plaintext.clear();
    ciphertext.clear();
    from.wrap(plaintext, ciphertext);
  }

  private int unwrap(SSLEngine to) throws IOException {
    opened.clear();
    return to.unwrap(ciphertext, opened).bytesProduced();
  }

  /** A record from the client to the server and one back, so one of each kind for the client. */
  @Benchmark
  public int thereAndBack() throws IOException {
    wrap(client);
    ciphertext.flip();
    int there = unwrap(server);
    wrap(server);
    ciphertext.flip();
    return there + unwrap(client);
  }
}
