package dev.underspan.bridge.wire;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The head of an HTTP/1.x request (RFC 9112), or as much of it as there is.
 *
 * @param method as sent
 * @param path without the query
 * @param query without the question mark; null if there is none
 * @param version e.g. {@code 1.1}
 * @param headers the first value of each, by name in lower case
 */
public record HttpRequestHead(
    String method,
    String path,
    @Nullable String query,
    String version,
    Map<String, String> headers) {
  private static final int MAX_HEADERS = 128;

  /** Reads it; null where bytes do not begin with a whole request line. */
  public static @Nullable HttpRequestHead read(byte[] data, int length) {
    if (!HttpSyntax.requestLine(data, length)) {
      return null;
    }
    String[] lines = new String(data, 0, length, StandardCharsets.ISO_8859_1).split("\n", -1);
    String line = lines[0].stripTrailing();
    int space = line.indexOf(' ');
    int last = line.lastIndexOf(' ');
    if (lines.length < 2 || space <= 0 || last <= space) {
      return null;
    }
    String target = path(line.substring(space + 1, last).strip());
    int mark = target.indexOf('?');
    Map<String, String> headers = new HashMap<>();
    // The last one is cut, or what follows the head.
    for (int i = 1; i < lines.length - 1 && headers.size() < MAX_HEADERS; i++) {
      String header = lines[i].stripTrailing();
      if (header.isEmpty()) {
        break;
      }
      int colon = header.indexOf(':');
      if (colon > 0) {
        headers.putIfAbsent(
            header.substring(0, colon).toLowerCase(Locale.ROOT),
            header.substring(colon + 1).strip());
      }
    }
    return new HttpRequestHead(
        line.substring(0, space),
        mark < 0 ? target : target.substring(0, mark),
        mark < 0 ? null : target.substring(mark + 1),
        line.substring(last + 6),
        headers);
  }

  /** Of a target in absolute form the path and what follows it. */
  private static String path(String target) {
    int scheme = target.startsWith("/") ? -1 : target.indexOf("://");
    if (scheme < 0) {
      return target;
    }
    int slash = target.indexOf('/', scheme + 3);
    return slash < 0 ? "/" : target.substring(slash);
  }

  /** The first value of a header; null if there is none. */
  public @Nullable String header(String name) {
    return headers.get(name.toLowerCase(Locale.ROOT));
  }
}
