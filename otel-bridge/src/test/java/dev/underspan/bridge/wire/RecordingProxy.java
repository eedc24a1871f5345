package dev.underspan.bridge.wire;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Passes TCP connections of the loopback on, and keeps what went by, read by read. */
final class RecordingProxy implements AutoCloseable {
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Piece(boolean sent, byte[] bytes) {}

  private final ServerSocket server;
  private final int target;
  private final List<Socket> sockets = new ArrayList<>();
  private final List<List<Piece>> connections = new ArrayList<>();

  RecordingProxy(int target) throws IOException {
    this.target = target;
    this.server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    start(this::accept);
  }

  int port() {
    return server.getLocalPort();
  }

  /** A copy of what went by so far, a list a connection. */
  List<List<Piece>> connections() {
    synchronized (connections) {
      return connections.stream().<List<Piece>>map(ArrayList::new).toList();
    }
  }

  private void accept() throws IOException {
    while (true) {
      Socket client = server.accept();
      Socket upstream = new Socket(InetAddress.getLoopbackAddress(), target);
      List<Piece> pieces = new ArrayList<>();
      synchronized (connections) {
        sockets.addAll(List.of(client, upstream));
        connections.add(pieces);
      }
      start(() -> pump(client, upstream, pieces, true));
      start(() -> pump(upstream, client, pieces, false));
    }
  }

  private void pump(Socket from, Socket to, List<Piece> pieces, boolean sent) throws IOException {
    InputStream in = from.getInputStream();
    OutputStream out = to.getOutputStream();
    byte[] buffer = new byte[64 * 1024];
    for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
      synchronized (connections) {
        // Before it is passed on, so that an answer never comes first.
        pieces.add(new Piece(sent, Arrays.copyOf(buffer, n)));
      }
      out.write(buffer, 0, n);
    }
    to.shutdownOutput();
  }

  private interface Work {
    void run() throws IOException;
  }

  private static void start(Work work) {
    Thread thread =
        new Thread(
            () -> {
              try {
                work.run();
              } catch (IOException e) {
                // Closed.
              }
            },
            "proxy");
    thread.setDaemon(true);
    thread.start();
  }

  @Override
  public void close() throws IOException {
    server.close();
    synchronized (connections) {
      for (Socket socket : sockets) {
        socket.close();
      }
    }
  }
}
