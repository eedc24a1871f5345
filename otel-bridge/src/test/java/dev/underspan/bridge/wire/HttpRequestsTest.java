package dev.underspan.bridge.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class HttpRequestsTest {
  private final WireCounters counters = new WireCounters();
  private final List<HttpRequestHead> heads = new ArrayList<>();
  private final HttpRequests requests = new HttpRequests(counters, heads::add);

  private void read(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    requests.onRead(bytes, bytes.length, bytes.length);
  }

  private List<String> paths() {
    return heads.stream().map(HttpRequestHead::path).toList();
  }

  @Test
  void whatAHeadSays() {
    read("POST http://h:1/a/b?c=d&e HTTP/1.1\r\nHost: h:1\r\nX: 1\r\nx: 2\r\n\r\n");
    HttpRequestHead head = heads.get(0);
    assertThat(head.method()).isEqualTo("POST");
    assertThat(head.path()).isEqualTo("/a/b");
    assertThat(head.query()).isEqualTo("c=d&e");
    assertThat(head.version()).isEqualTo("1.1");
    assertThat(head.header("X")).isEqualTo("1");
    assertThat(head.header("Host")).isEqualTo("h:1");
    assertThat(requests.isBetween()).isTrue();
  }

  @Test
  void whatIsNone() {
    for (String none : new String[] {"GET / HTTP/2.0\r\n\r\n", "GET\r\n\r\n", "\0\1\r\n"}) {
      requests.reset();
      read(none);
      assertThat(heads).as(none).isEmpty();
    }
  }

  /** Bodies of each framing between them, cut anywhere. */
  @Test
  void behindEachOther() {
    String all =
        String.join(
            "\r\n",
            "GET /1 HTTP/1.1",
            "",
            "POST /2 HTTP/1.1",
            "Content-Length: 17",
            "",
            "GET /x HTTP/1.1",
            "PUT /3 HTTP/1.1",
            "Transfer-Encoding: chunked",
            "",
            "5",
            "GET /",
            "0",
            "",
            "HEAD /4 HTTP/1.1",
            "Host: h",
            "",
            "");
    Random random = new Random(5);
    for (int n = 0; n < 300; n++) {
      heads.clear();
      requests.reset();
      int at = 0;
      while (at < all.length()) {
        int size = Math.min(all.length() - at, 1 + random.nextInt(1 + n));
        read(all.substring(at, at + size));
        at += size;
      }
      assertThat(paths()).as("%d", n).containsExactly("/1", "/2", "/3", "/4");
      assertThat(requests.isBetween()).isTrue();
    }
    assertThat(counters.parseErrors.sum()).isZero();
  }

  @Test
  void whereItStands() {
    read("GET /1 HTTP/1.1\r\nHost:");
    assertThat(requests.isWithinHead()).isTrue();
    assertThat(requests.isBetween()).isFalse();
    read(" h\r\n\r\n");
    assertThat(requests.isWithinHead()).isFalse();
    assertThat(requests.isBetween()).isTrue();
    read("POST /2 HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc");
    assertThat(requests.isWithinHead()).isFalse();
    assertThat(requests.isBetween()).isFalse();
    requests.reset();
    assertThat(requests.isBetween()).isTrue();
    // Of a long read only the beginning is there: what is within the rest is not known.
    byte[] bytes =
        "POST /3 HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc".getBytes(StandardCharsets.US_ASCII);
    requests.onRead(bytes, bytes.length, bytes.length + 97);
    assertThat(requests.isBetween()).isTrue();
    requests.onRead(Arrays.copyOf(bytes, 20), 20, bytes.length);
    assertThat(requests.isWithinHead()).isFalse();
    assertThat(paths()).containsExactly("/1", "/2", "/3");
  }
}
