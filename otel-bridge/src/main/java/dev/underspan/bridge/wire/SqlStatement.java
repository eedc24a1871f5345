package dev.underspan.bridge.wire;

import org.jspecify.annotations.Nullable;

/** A statement's text and what was made of it, once it is asked for. */
final class SqlStatement {
  /** So many bytes of a statement are kept. */
  static final int MAX_TEXT = 8 * 1024;

  final String text;
  final boolean cut;
  private @Nullable SqlSummary summary;

  SqlStatement(String text, boolean cut) {
    this.text = text;
    this.cut = cut;
  }

  /**
   * A statement out of captured UTF-8.
   *
   * @param more whether it goes on after {@code to}
   */
  static SqlStatement of(byte[] data, int from, int to, boolean more) {
    int end = Math.min(to, from + MAX_TEXT);
    boolean cut = end < to || more;
    if (cut) {
      // Not half a character.
      while (end > from && (data[end - 1] & 0xC0) == 0x80) {
        end--;
      }
      if (end > from && (data[end - 1] & 0xC0) == 0xC0) {
        end--;
      }
    }
    return new SqlStatement(PgSyntax.text(data, from, end), cut);
  }

  SqlSummary summary(SqlDialect dialect) {
    SqlSummary s = summary;
    if (s == null) {
      s = SqlSanitizer.summarise(text, dialect);
      summary = s;
    }
    return s;
  }
}
