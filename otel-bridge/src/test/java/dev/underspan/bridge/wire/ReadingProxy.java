package dev.underspan.bridge.wire;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Passes TCP connections on to a port of this machine, and what they carry to the reader under
 * test: of each read a prefix and its tail, as the kernel side has them.
 */
final class ReadingProxy implements AutoCloseable {
  private static final int CAPTURE = 8192;
  private static final int TAIL = 16;

  final List<ClientCall> calls = new CopyOnWriteArrayList<>();
  final WireCounters counters = new WireCounters();
  private final ServerSocket server;
  private final List<Socket> sockets = new CopyOnWriteArrayList<>();
  volatile int target;

  ReadingProxy() throws IOException {
    server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    daemon(this::accept);
  }

  int port() {
    return server.getLocalPort();
  }

  private static void daemon(Runnable body) {
    Thread thread = new Thread(body, "reading-proxy");
    thread.setDaemon(true);
    thread.start();
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        Socket near = server.accept();
        sockets.add(near);
        daemon(() -> connect(near));
      } catch (IOException e) {
        return; // closed
      }
    }
  }

  private void connect(Socket near) {
    Socket far;
    try {
      far = new Socket(InetAddress.getLoopbackAddress(), target);
    } catch (IOException e) {
      quietly(near); // the broker does not listen yet
      return;
    }
    sockets.add(far);
    WireConnection connection =
        new WireConnection(
            new ConnectionInfo("127.0.0.1", near.getPort(), "127.0.0.1", port(), true, false, 0, 0),
            calls::add,
            counters);
    daemon(() -> pump(near, far, Direction.SENT, connection));
    pump(far, near, Direction.RECEIVED, connection);
  }

  private static void pump(Socket from, Socket to, Direction direction, WireConnection reader) {
    Chunk chunk = new Chunk();
    byte[] buffer = new byte[1 << 16];
    try (InputStream in = from.getInputStream();
        OutputStream out = to.getOutputStream()) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        synchronized (reader) {
          chunk.direction = direction;
          chunk.timeNs = System.nanoTime();
          chunk.totalLength = n;
          chunk.length = Math.min(n, CAPTURE);
          chunk.data = java.util.Arrays.copyOf(buffer, chunk.length);
          chunk.tailLength = Math.min(TAIL, n - chunk.length);
          chunk.tail = java.util.Arrays.copyOfRange(buffer, n - chunk.tailLength, n);
          reader.onChunk(chunk);
        }
        out.write(buffer, 0, n);
      }
    } catch (IOException e) {
      // either end has gone
    }
    synchronized (reader) {
      reader.onClose(System.nanoTime(), false);
    }
  }

  private static void quietly(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) {
      // gone already
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
    sockets.forEach(ReadingProxy::quietly);
  }
}
