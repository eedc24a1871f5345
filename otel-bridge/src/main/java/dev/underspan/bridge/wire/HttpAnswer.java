package dev.underspan.bridge.wire;

import org.jspecify.annotations.Nullable;

/**
 * Reads a server's answer to one HTTP/1.x request out of what it sends (RFC 9112). Memory is
 * bounded whatever the bytes are, and no bytes make it throw. Not thread-safe.
 */
public final class HttpAnswer {
  private final Reader reader;
  private final String method;
  private int status;
  private boolean begun;
  private boolean over;

  /**
   * No byte of the answer yet.
   *
   * @param method of the request
   */
  public HttpAnswer(String method, WireCounters counters) {
    this.method = method;
    this.reader = new Reader(counters);
  }

  /**
   * Takes what the server sent next.
   *
   * @return whether the answer is whole
   */
  public boolean onChunk(Chunk chunk) {
    if (!over) {
      begun = true;
      reader.feed(chunk);
    }
    return over;
  }

  /** How much of the last chunk came behind the end of the answer. */
  public long behind() {
    return reader.behind();
  }

  /** That part of the chunk; null if its beginning was not captured. */
  public @Nullable Chunk rest(Chunk chunk) {
    int consumed = reader.consumed();
    return consumed < chunk.captured() ? chunk.from(consumed) : null;
  }

  /** Some of what was sent may have been missed. */
  public void onLoss() {
    reader.lose();
  }

  /** Its beginning was sent, but not seen. */
  public void onMissed() {
    begun = true;
    reader.lose();
  }

  /** Whether its end cannot be told from its bytes, any more or at all. */
  public boolean isEndless() {
    return reader.isLost() || reader.isUntilClose();
  }

  /** Whether any of it was sent. */
  public boolean isBegun() {
    return begun;
  }

  /** The status code so far, 0 if none was seen. */
  public int status() {
    return status;
  }

  /** Whether bytes begin an answer. */
  public static boolean begins(Chunk chunk) {
    int length = Math.min(chunk.captured(), 7);
    return length == 7 && HttpSyntax.couldBeStatus(chunk.data, length);
  }

  private final class Reader extends HttpBodyReader {
    Reader(WireCounters counters) {
      super(counters);
    }

    @Override
    void messageBegin() {
      clearFraming();
    }

    @Override
    void bytes(long n) {}

    @Override
    boolean plausibleStart(byte[] line, int length) {
      return HttpSyntax.couldBeStatus(line, length);
    }

    @Override
    boolean startLine(String line, boolean cut) {
      int parsed = HttpSyntax.status(line);
      if (parsed > 0) {
        status = parsed;
      }
      return parsed > 0;
    }

    @Override
    void headEnd() {
      answerBody(method, status);
    }

    @Override
    void messageEnd() {
      if (status >= 200 || status == 101) {
        over = true;
        stop();
      }
    }

    @Override
    void lost() {}

    @Override
    boolean recover(long window, LostIn in) {
      return recoverAnswer(method, window, in);
    }
  }
}
