package dev.underspan.bridge.wire;

import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The head of an HTTP/1.x request (RFC 9112).
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

  /** From a request line, which has two blanks at least. */
  static HttpRequestHead of(String line, Map<String, String> headers) {
    int space = line.indexOf(' ');
    int last = line.lastIndexOf(' ');
    String target = path(line.substring(space + 1, last).strip());
    int mark = target.indexOf('?');
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
