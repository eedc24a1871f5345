package dev.underspan.bridge.wire;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Reads the heads of requests out of what a server reads from one HTTP/1.x connection (RFC 9112).
 * Memory is bounded whatever the bytes are, and no bytes make it throw. Not thread-safe.
 */
public final class HttpRequests {
  private static final int MAX_HEADERS = 128;

  private final Reader reader;
  private final Consumer<HttpRequestHead> sink;
  private final Chunk chunk = new Chunk();

  /** No byte yet; each head goes to the sink when it is whole. */
  public HttpRequests(WireCounters counters, Consumer<HttpRequestHead> sink) {
    this.reader = new Reader(counters);
    this.sink = sink;
  }

  /** Whether bytes begin a request. */
  public static boolean begins(byte[] data, int length) {
    return HttpSyntax.requestLine(data, length);
  }

  /**
   * Takes what was read.
   *
   * @param length how much of data that is
   * @param total how much was read
   */
  public void onRead(byte[] data, int length, int total) {
    chunk.direction = Direction.RECEIVED;
    chunk.data = data;
    chunk.length = length;
    chunk.totalLength = total;
    reader.feed(chunk);
  }

  /** The next read begins a request, whatever was missed. */
  public void reset() {
    reader.reset();
  }

  /** Whether the rest of a head is still to come. */
  public boolean isWithinHead() {
    return !isBetween() && !reader.inBody() && !reader.isLost();
  }

  /** Whether the next byte begins a request. */
  public boolean isBetween() {
    return reader.isStart();
  }

  private final class Reader extends HttpBodyReader {
    private String line = "";
    private Map<String, String> headers = new HashMap<>();

    Reader(WireCounters counters) {
      super(counters);
    }

    @Override
    void messageBegin() {
      clearFraming();
      headers = new HashMap<>();
    }

    @Override
    void bytes(long n) {}

    @Override
    boolean plausibleStart(byte[] start, int length) {
      return HttpSyntax.couldBeRequest(start, length);
    }

    @Override
    boolean startLine(String text, boolean cut) {
      line = text;
      int last = text.lastIndexOf(' ');
      return !cut && text.indexOf(' ') < last && text.startsWith("HTTP/1.", last + 1);
    }

    @Override
    void header(String name, String value) {
      super.header(name, value);
      if (headers.size() < MAX_HEADERS) {
        headers.putIfAbsent(name.toLowerCase(Locale.ROOT), value);
      }
    }

    @Override
    void headEnd() {
      sink.accept(HttpRequestHead.of(line, headers));
      headers = new HashMap<>();
      requestBody();
    }

    @Override
    void messageEnd() {}

    @Override
    void lost() {}

    @Override
    boolean recover(long window, LostIn in) {
      return false;
    }
  }
}
