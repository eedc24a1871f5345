package dev.underspan.matrix;

import static java.util.Objects.requireNonNull;

import fi.iki.elonen.NanoHTTPD;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocketFactory;
import org.jspecify.annotations.Nullable;

/**
 * HTTP servers that no advice knows, of libraries and home-made: /outer/N asks the same server for
 * /inner/N; /chunked/N and /long/N answer much; /until/N answers until the connection's end;
 * /none/N does not answer; /continue/N asks for the body, /nothing/N and /same/N have no body, and
 * /upgrade/N goes on with another protocol. Arguments: the kind, for TLS a key store that is also
 * trusted, and its password.
 */
public final class SocketServerApp {
  private static final int LONG = 300_000;

  private static volatile String base = "";
  private static @Nullable SSLContext tls;
  private static @Nullable SSLSocketFactory factory;

  private SocketServerApp() {}

  /** Runs the server that the first argument names. */
  public static void main(String[] args) throws Exception {
    if (args.length > 1) {
      tls = TlsApp.context(Path.of(args[1]), args[2].toCharArray());
      factory = tls.getSocketFactory();
    }
    int port =
        switch (args[0]) {
          case "tls-sockets" -> tlsSockets();
          case "tls-engine" -> tlsEngine();
          case "pooled" -> threaded(Executors.newFixedThreadPool(130));
          case "virtual" -> threaded(VirtualThreads.executor());
          case "selector" -> selector();
          case "nanohttpd" -> nanoHttpd();
          case "undertow" -> undertow();
          default -> throw new IllegalArgumentException(args[0]);
        };
    base = (tls == null ? "http" : "https") + "://localhost:" + port;
    System.out.println("port " + port);
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    System.exit(0);
  }

  private static String ask(String path) throws IOException {
    HttpURLConnection call = (HttpURLConnection) URI.create(base + path).toURL().openConnection();
    if (factory != null && call instanceof HttpsURLConnection secured) {
      secured.setSSLSocketFactory(factory); // the same each time: by it connections are kept alive
    }
    try (InputStream in = call.getInputStream()) {
      return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
    }
  }

  private static String answer(String path) throws IOException {
    return path.startsWith("/outer/") ? ask(path.replace("outer", "inner")) : "this is " + path;
  }

  // ---- a thread a connection -----------------------------------------------------------------

  private static int threaded(ExecutorService threads) throws IOException {
    return threaded(threads, new ServerSocket(0, 200, InetAddress.getLoopbackAddress()));
  }

  private static int tlsSockets() throws IOException {
    return threaded(
        Executors.newCachedThreadPool(),
        requireNonNull(tls)
            .getServerSocketFactory()
            .createServerSocket(0, 200, InetAddress.getLoopbackAddress()));
  }

  private static int tlsEngine() throws IOException {
    ServerSocketChannel server = ServerSocketChannel.open();
    server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 200);
    ExecutorService threads = Executors.newCachedThreadPool();
    Thread acceptor =
        new Thread(
            () -> {
              try {
                while (true) {
                  SocketChannel channel = server.accept();
                  threads.execute(
                      () -> {
                        try (EngineChannel secured =
                            new EngineChannel(channel, requireNonNull(tls))) {
                          serve(secured.in(), secured.out());
                        } catch (IOException e) {
                          // the client is gone
                        }
                      });
                }
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    acceptor.setDaemon(true);
    acceptor.start();
    return server.socket().getLocalPort();
  }

  private static int threaded(ExecutorService threads, ServerSocket server) {
    Thread acceptor =
        new Thread(
            () -> {
              try {
                while (true) {
                  Socket socket = server.accept();
                  threads.execute(() -> serve(socket));
                }
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    acceptor.setDaemon(true);
    acceptor.start();
    return server.getLocalPort();
  }

  private static void serve(Socket socket) {
    try (socket) {
      serve(socket.getInputStream(), socket.getOutputStream());
    } catch (IOException e) {
      // the client is gone
    }
  }

  private static void serve(InputStream network, OutputStream out) throws IOException {
    InputStream in = new BufferedInputStream(network);
    String line = line(in);
    while (!line.isEmpty()) {
      String path = line.split(" ", 3)[1];
      int length = 0;
      for (String header = line(in); !header.isEmpty(); header = line(in)) {
        if (header.toLowerCase(Locale.ROOT).startsWith("content-length:")) {
          length = Integer.parseInt(header.substring(15).strip());
        }
      }
      if (path.startsWith("/continue/")) {
        out.write(ascii("HTTP/1.1 100 Continue\r\n\r\n"));
      }
      in.readNBytes(length);
      if (path.startsWith("/none/")) {
        return;
      }
      if (path.startsWith("/upgrade/")) {
        out.write(ascii("HTTP/1.1 101 Other\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"));
        out.write(in.readNBytes(16));
        return;
      }
      if (path.startsWith("/until/")) {
        out.write(ascii("HTTP/1.1 203 OK\r\nConnection: close\r\n\r\n"));
        out.write(ascii("x".repeat(LONG)));
        return;
      }
      if (path.startsWith("/chunked/")) {
        out.write(ascii("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
        for (int i = 0; i < 10; i++) {
          out.write(ascii(Integer.toHexString(LONG / 10) + "\r\n"));
          out.write(ascii("x".repeat(LONG / 10) + "\r\n"));
        }
        out.write(ascii("0\r\n\r\n"));
      } else if (path.startsWith("/nothing/")) {
        out.write(ascii("HTTP/1.1 204 Nothing\r\n\r\n"));
      } else if (path.startsWith("/same/")) {
        out.write(ascii("HTTP/1.1 304 Same\r\nContent-Length: 1000\r\n\r\n"));
      } else if (line.startsWith("HEAD")) {
        out.write(ascii("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"));
      } else {
        String text = path.startsWith("/long/") ? "x".repeat(LONG) : answer(path);
        out.write(ascii("HTTP/1.1 200 OK\r\nContent-Length: " + text.length() + "\r\n\r\n" + text));
      }
      line = line(in);
    }
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static String line(InputStream in) throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int b = in.read(); b >= 0 && b != '\n'; b = in.read()) {
      if (b != '\r') {
        line.write(b);
      }
    }
    return line.toString(StandardCharsets.US_ASCII);
  }

  // ---- one thread that reads, others that answer -----------------------------------------------

  private static int selector() throws IOException {
    Selector selector = Selector.open();
    ServerSocketChannel server = ServerSocketChannel.open();
    server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 200);
    server.configureBlocking(false);
    server.register(selector, SelectionKey.OP_ACCEPT);
    ExecutorService workers = Executors.newFixedThreadPool(130);
    Thread thread =
        new Thread(
            () -> {
              try {
                while (true) {
                  select(selector, server, workers);
                }
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    thread.setDaemon(true);
    thread.start();
    return server.socket().getLocalPort();
  }

  private static void select(Selector selector, ServerSocketChannel server, ExecutorService workers)
      throws IOException {
    selector.select();
    Iterator<SelectionKey> keys = selector.selectedKeys().iterator();
    while (keys.hasNext()) {
      SelectionKey key = keys.next();
      keys.remove();
      if (key.isAcceptable()) {
        SocketChannel accepted = server.accept();
        if (accepted != null) {
          accepted.configureBlocking(false);
          accepted.register(selector, SelectionKey.OP_READ, ByteBuffer.allocateDirect(8192));
        }
        continue;
      }
      SocketChannel channel = (SocketChannel) key.channel();
      ByteBuffer buffer = (ByteBuffer) key.attachment();
      if (channel.read(buffer) < 0) {
        channel.close();
        continue;
      }
      byte[] so = new byte[buffer.position()];
      buffer.get(0, so);
      String head = new String(so, StandardCharsets.US_ASCII);
      if (head.endsWith("\r\n\r\n")) {
        buffer.clear();
        workers.execute(() -> write(channel, head.split(" ", 3)[1]));
      }
    }
  }

  private static void write(SocketChannel channel, String path) {
    try {
      String text = answer(path);
      ByteBuffer bytes =
          ByteBuffer.wrap(
              ascii("HTTP/1.1 200 OK\r\nContent-Length: " + text.length() + "\r\n\r\n" + text));
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  // ---- libraries -------------------------------------------------------------------------------

  private static int nanoHttpd() throws IOException {
    NanoHTTPD server =
        new NanoHTTPD("localhost", 0) {
          @Override
          public Response serve(IHTTPSession session) {
            try {
              return newFixedLengthResponse(answer(session.getUri()));
            } catch (IOException e) {
              throw new UncheckedIOException(e);
            }
          }
        };
    server.start(60_000, true);
    return server.getListeningPort();
  }

  private static int undertow() {
    Undertow server =
        Undertow.builder()
            .addHttpListener(0, "localhost")
            .setIoThreads(2)
            .setWorkerThreads(130)
            .setServerOption(UndertowOptions.ENABLE_HTTP2, false)
            .setHandler(
                exchange ->
                    exchange.dispatch(
                        () -> {
                          try {
                            exchange.getResponseSender().send(answer(exchange.getRequestPath()));
                          } catch (IOException e) {
                            throw new UncheckedIOException(e);
                          }
                        }))
            .build();
    server.start();
    return ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
  }
}
