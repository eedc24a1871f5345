package dev.underspan.bridge.wire;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HttpAnswerTest {
  private final WireCounters counters = new WireCounters();

  private static Chunk chunk(byte[] bytes, int captured) {
    Chunk chunk = new Chunk();
    chunk.direction = Direction.SENT;
    chunk.totalLength = bytes.length;
    chunk.length = Math.min(bytes.length, captured);
    chunk.data = Arrays.copyOf(bytes, chunk.length);
    chunk.tailLength = chunk.length < bytes.length ? Math.min(16, bytes.length) : 0;
    chunk.tail = Arrays.copyOfRange(bytes, bytes.length - chunk.tailLength, bytes.length);
    return chunk;
  }

  private static Chunk chunk(String text) {
    return chunk(text.getBytes(StandardCharsets.ISO_8859_1), Integer.MAX_VALUE);
  }

  private boolean whole(String method, String text) {
    return new HttpAnswer(method, counters).onChunk(chunk(text));
  }

  @Test
  void whereItEnds() {
    String body = "\r\n\r\nabc";
    assertThat(whole("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3" + body)).isTrue();
    assertThat(whole("GET", "HTTP/1.1 200 OK\r\nContent-Length: 4" + body)).isFalse();
    assertThat(whole("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")).isTrue();
    assertThat(whole("GET", "HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n")).isTrue();
    assertThat(whole("GET", "HTTP/1.1 304 Same\r\n\r\n")).isTrue();
    assertThat(whole("CONNECT", "HTTP/1.1 200 OK\r\n\r\n")).isTrue();
    assertThat(whole("GET", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n")).isTrue();
    assertThat(whole("PUT", "HTTP/1.1 100 Continue\r\n\r\n")).isFalse();
    assertThat(
            whole(
                "PUT",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n"))
        .isTrue();
  }

  @Test
  void untilTheConnectionsEnd() {
    HttpAnswer answer = new HttpAnswer("GET", counters);
    assertThat(answer.isBegun()).isFalse();
    assertThat(answer.onChunk(chunk("HTTP/1.0 203 OK\r\n\r\nabc"))).isFalse();
    assertThat(answer.isBegun()).isTrue();
    assertThat(answer.isEndless()).isTrue();
    assertThat(answer.status()).isEqualTo(203);
  }

  @Test
  void garbage() {
    HttpAnswer answer = new HttpAnswer("GET", counters);
    assertThat(answer.onChunk(chunk("SSH-2.0-OpenSSH_9.2\r\n"))).isFalse();
    assertThat(answer.isEndless()).isTrue();
    assertThat(answer.status()).isZero();
    Random random = new Random(42);
    for (int n = 0; n < 2000; n++) {
      byte[] bytes = new byte[random.nextInt(200)];
      random.nextBytes(bytes);
      new HttpAnswer("GET", counters).onChunk(chunk(bytes, random.nextInt(200)));
    }
  }

  /** However the server cuts it, and however little of each piece was captured. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void inPieces(boolean chunked) {
    Random random = new Random(7);
    for (int n = 0; n < 500; n++) {
      int length = 1 + random.nextInt(3000);
      String body = "b".repeat(length);
      String head =
          chunked
              ? "HTTP/1.1 404 None\r\nTransfer-Encoding: chunked\r\n\r\n"
              : "HTTP/1.1 404 None\r\nContent-Length: " + length + "\r\n\r\n";
      String rest = chunked ? Integer.toHexString(length) + "\r\n" + body + "\r\n0\r\n\r\n" : body;
      byte[] bytes = (head + rest).getBytes(StandardCharsets.ISO_8859_1);
      HttpAnswer answer = new HttpAnswer("GET", counters);
      int at = 0;
      while (at < bytes.length) {
        // The head must be seen; of bodies, sizes of chunks must.
        boolean early = at < head.length() + (chunked ? 8 : 0);
        int size = Math.min(bytes.length - at, 1 + random.nextInt(400));
        byte[] piece = Arrays.copyOfRange(bytes, at, at + size);
        assertThat(answer.onChunk(chunk(piece, early ? size : 1 + random.nextInt(60))))
            .as(n + " at " + at + " of " + bytes.length)
            .isEqualTo(at + size == bytes.length);
        at += size;
      }
      assertThat(answer.status()).isEqualTo(404);
    }
  }

  /** What comes behind an answer belongs to the next one. */
  @Test
  void whatIsBehind() {
    String one = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    String next = "HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n";
    HttpAnswer answer = new HttpAnswer("GET", counters);
    Chunk both = chunk(one + next);
    assertThat(answer.onChunk(both)).isTrue();
    assertThat(answer.behind()).isEqualTo(next.length());
    HttpAnswer second = new HttpAnswer("GET", counters);
    assertThat(second.onChunk(requireNonNull(answer.rest(both)))).isTrue();
    assertThat(second.status()).isEqualTo(404);
    assertThat(second.behind()).isZero();
    // However much of it was captured.
    byte[] bytes = (one + next).getBytes(StandardCharsets.ISO_8859_1);
    for (int captured = one.indexOf("abc"); captured < bytes.length; captured++) {
      HttpAnswer cut = new HttpAnswer("GET", counters);
      Chunk part = chunk(bytes, captured);
      assertThat(cut.onChunk(part)).as("%d", captured).isTrue();
      assertThat(cut.behind()).as("%d", captured).isEqualTo(next.length());
      assertThat(cut.rest(part) != null).isEqualTo(captured > one.length());
    }
  }
}
