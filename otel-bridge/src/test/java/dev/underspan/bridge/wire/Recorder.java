package dev.underspan.bridge.wire;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * A TCP proxy on the loopback that remembers what each connection carried, in the order in which it
 * passed it on: nothing is answered before it was written down.
 */
final class Recorder implements AutoCloseable {
  /** What one connection carried. */
  static final class Recording {
    private final List<byte[]> parts = new ArrayList<>();
    private final List<Boolean> sent = new ArrayList<>();
    private final CountDownLatch over = new CountDownLatch(2);

    private synchronized void add(boolean out, byte[] bytes) {
      sent.add(out);
      parts.add(bytes);
    }

    /** Feeds all of it, each read as a chunk, and closes. */
    Feed replay(Feed feed) throws InterruptedException {
      if (!over.await(10, TimeUnit.SECONDS)) {
        throw new AssertionError("the connection is still open");
      }
      for (int i = 0; i < parts.size(); i++) {
        if (sent.get(i)) {
          feed.out(parts.get(i));
        } else {
          feed.in(parts.get(i));
        }
      }
      return feed.close();
    }
  }

  private final ServerSocket listener;
  private final int server;
  private final List<Recording> recordings = new ArrayList<>();

  /** Passes everything on to a port of the loopback. */
  Recorder(int server) throws IOException {
    this.server = server;
    listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    daemon(this::accept);
  }

  int port() {
    return listener.getLocalPort();
  }

  /** The connections so far, and forgets them. */
  synchronized List<Recording> take() {
    List<Recording> all = List.copyOf(recordings);
    recordings.clear();
    return all;
  }

  private synchronized Recording begin() {
    Recording recording = new Recording();
    recordings.add(recording);
    return recording;
  }

  private static void daemon(Runnable task) {
    Thread thread = new Thread(task, "recorder");
    thread.setDaemon(true);
    thread.start();
  }

  private void accept() {
    try {
      while (true) {
        Socket client = listener.accept();
        Socket upstream = new Socket(InetAddress.getLoopbackAddress(), server);
        client.setTcpNoDelay(true);
        upstream.setTcpNoDelay(true);
        Recording recording = begin();
        daemon(() -> pump(recording, true, client, upstream));
        daemon(() -> pump(recording, false, upstream, client));
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  private static void pump(Recording recording, boolean out, Socket from, Socket to) {
    byte[] buffer = new byte[64 * 1024];
    try (from;
        to) {
      InputStream in = from.getInputStream();
      OutputStream target = to.getOutputStream();
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        recording.add(out, Arrays.copyOf(buffer, n));
        target.write(buffer, 0, n);
      }
    } catch (IOException e) {
      // One side went away.
    } finally {
      recording.over.countDown();
    }
  }

  @Override
  public void close() {
    try {
      listener.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
