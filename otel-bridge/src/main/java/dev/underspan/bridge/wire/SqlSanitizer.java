package dev.underspan.bridge.wire;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Takes literals and comments out of a statement in one pass, by the lexical rules of a {@link
 * SqlDialect}. A statement cut anywhere is fine: an open literal or comment reaches to its end.
 */
public final class SqlSanitizer {
  private static final int MAX_INPUT = 16 * 1024;
  private static final int MAX_OUTPUT = 2048;

  private final SqlDialect dialect;
  private final boolean mysql;
  private final String in;
  private final int end;
  private final StringBuilder out;
  private int pos;
  private boolean space;
  private boolean lastWordIsIn;
  // Start in out of the parenthesised list after IN as long as it holds only placeholders.
  private int listStart = -1;
  private int listSize;
  // Within MySQL's executable comment, whose content is part of the statement.
  private boolean executable;

  private SqlSanitizer(String sql, SqlDialect dialect) {
    this.dialect = dialect;
    mysql = dialect.mysql();
    in = sql;
    end = Math.min(sql.length(), MAX_INPUT);
    out = new StringBuilder(Math.min(end, 512));
  }

  /** Sanitises a statement and names its operation and main table. */
  public static SqlSummary summarise(String sql, SqlDialect dialect) {
    String text = new SqlSanitizer(sql, dialect).run();
    return new Words(text).summary(cut(text));
  }

  private static String cut(String text) {
    if (text.length() <= MAX_OUTPUT) {
      return text;
    }
    int at = Character.isHighSurrogate(text.charAt(MAX_OUTPUT - 1)) ? MAX_OUTPUT - 1 : MAX_OUTPUT;
    return text.substring(0, at);
  }

  private String run() {
    while (pos < end) {
      char c = in.charAt(pos);
      if (c <= ' ') {
        pos++;
        space = true;
      } else if ((c == '-' && at(pos + 1) == '-' && dashesComment()) || (c == '#' && mysql)) {
        lineComment();
      } else if (c == '/' && at(pos + 1) == '*') {
        if (mysql) {
          mysqlComment();
        } else {
          blockComment();
        }
      } else if (c == '*' && at(pos + 1) == '/' && executable) {
        executable = false;
        pos += 2;
        space = true;
      } else if (c == '\'' || (c == '"' && mysql)) {
        string(c, dialect == SqlDialect.MYSQL);
      } else if (c == '"' || (c == '`' && mysql)) {
        quotedIdentifier(c);
      } else if (c == '$' && !mysql) {
        dollar();
      } else if (digit(c) || (c == '.' && digit(at(pos + 1)))) {
        number();
      } else if (wordStart(c)) {
        word();
      } else if (c == '?') {
        pos++;
        placeholder("?");
      } else {
        pos++;
        symbol(c);
      }
    }
    if (listStart >= 0 && listSize > 0) {
      // Cut inside a list: how much of it was captured must not make another statement of it.
      collapse();
    }
    return out.toString();
  }

  private char at(int i) {
    return i < end ? in.charAt(i) : '\0';
  }

  private static boolean digit(char c) {
    return c >= '0' && c <= '9';
  }

  private static boolean wordStart(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
  }

  private static boolean nameStart(char c) {
    return wordStart(c) || c == '"' || c == '`';
  }

  private static boolean wordPart(char c) {
    return wordStart(c) || digit(c) || c == '$';
  }

  private void gap() {
    if (space && out.length() > 0) {
      out.append(' ');
    }
    space = false;
  }

  private void other() {
    listStart = -1;
    lastWordIsIn = false;
    gap();
  }

  private void placeholder(String text) {
    gap();
    out.append(text);
    lastWordIsIn = false;
    listSize++;
  }

  private void symbol(char c) {
    if (c == ',' && listStart >= 0) {
      gap();
    } else if (c == '(' && lastWordIsIn) {
      gap();
      out.append(c);
      listStart = out.length();
      listSize = 0;
      lastWordIsIn = false;
      return;
    } else if (c == ')' && listStart >= 0) {
      if (listSize > 1) {
        collapse();
      }
      listStart = -1;
      gap();
    } else {
      other();
    }
    out.append(c);
  }

  private void collapse() {
    if (listSize > 1) {
      out.setLength(listStart);
      out.append('?');
      space = false;
    }
  }

  /** MySQL wants a blank after the two dashes; without it they are two signs. */
  private boolean dashesComment() {
    return !mysql || at(pos + 2) <= ' ';
  }

  private void lineComment() {
    while (pos < end && in.charAt(pos) != '\n' && in.charAt(pos) != '\r') {
      pos++;
    }
    space = true;
  }

  private void blockComment() {
    int depth = 0;
    while (pos < end) {
      if (in.charAt(pos) == '/' && at(pos + 1) == '*') {
        depth++;
        pos += 2;
      } else if (in.charAt(pos) == '*' && at(pos + 1) == '/') {
        depth--;
        pos += 2;
        if (depth == 0) {
          break;
        }
      } else {
        pos++;
      }
    }
    space = true;
  }

  private void mysqlComment() {
    int i = pos + 2;
    if (at(i) == 'M' && at(i + 1) == '!') {
      i++;
    }
    if (at(i) == '!') {
      // Then the version from which on it counts.
      do {
        i++;
      } while (digit(at(i)));
      pos = i;
      executable = true;
    } else {
      // They do not nest.
      int close = in.indexOf("*/", i);
      pos = close < 0 ? end : Math.min(end, close + 2);
    }
    space = true;
  }

  private void string(char quote, boolean escapes) {
    pos++;
    while (pos < end) {
      char c = in.charAt(pos++);
      if (c == '\\' && escapes) {
        pos++;
      } else if (c == quote) {
        if (at(pos) != quote) {
          break;
        }
        pos++;
      }
    }
    placeholder("?");
  }

  private void quotedIdentifier(char quote) {
    int start = pos++;
    while (pos < end) {
      if (in.charAt(pos++) == quote) {
        if (at(pos) != quote) {
          break;
        }
        pos++;
      }
    }
    other();
    out.append(in, start, Math.min(pos, end));
  }

  private void dollar() {
    int i = pos + 1;
    if (digit(at(i))) {
      while (digit(at(i))) {
        i++;
      }
      String parameter = in.substring(pos, i);
      pos = i;
      placeholder(parameter);
      return;
    }
    if (wordStart(at(i))) {
      while (i < end && in.charAt(i) != '$' && wordPart(in.charAt(i))) {
        i++;
      }
    }
    if (at(i) == '$') {
      String tag = in.substring(pos, i + 1);
      int close = in.indexOf(tag, i + 1);
      pos = close < 0 ? end : Math.min(end, close + tag.length());
      placeholder("?");
    } else if (i >= end) {
      // Cut inside an opening tag.
      pos = end;
      placeholder("?");
    } else {
      pos++;
      symbol('$');
    }
  }

  private void number() {
    while (pos < end) {
      char c = in.charAt(pos);
      boolean sign =
          (c == '+' || c == '-')
              && (in.charAt(pos - 1) == 'e' || in.charAt(pos - 1) == 'E')
              && digit(at(pos + 1));
      if (!sign && c != '.' && !wordPart(c)) {
        break;
      }
      pos++;
    }
    placeholder("?");
  }

  private void word() {
    int start = pos;
    while (pos < end && wordPart(in.charAt(pos))) {
      pos++;
    }
    if (pos - start == 1) {
      char c = in.charAt(start);
      if (at(pos) == '\'') {
        switch (c) {
          case 'e', 'E' -> {
            string('\'', !mysql || dialect == SqlDialect.MYSQL);
            return;
          }
          case 'b', 'B', 'x', 'X', 'n', 'N' -> {
            string('\'', dialect == SqlDialect.MYSQL);
            return;
          }
          default -> {}
        }
      } else if ((c == 'u' || c == 'U') && at(pos) == '&' && at(pos + 1) == '\'') {
        pos++;
        string('\'', dialect == SqlDialect.MYSQL);
        return;
      }
    }
    other();
    out.append(in, start, pos);
    lastWordIsIn =
        pos - start == 2
            && (in.charAt(start) | 0x20) == 'i'
            && (in.charAt(start + 1) | 0x20) == 'n';
  }

  /** Walks the words of a sanitised statement; there are no literals left to trip over. */
  private static final class Words {
    private final String text;
    private int pos;
    private int depth;

    Words(String text) {
      this.text = text;
    }

    SqlSummary summary(String sanitised) {
      String verb = next();
      while (verb != null && verb.equals("(")) {
        // A parenthesised SELECT: its own level counts as the outermost.
        depth = 0;
        verb = next();
      }
      if (verb == null || !keyword(verb)) {
        return new SqlSummary(sanitised, null, null);
      }
      verb = verb.toUpperCase(Locale.ROOT);
      if (verb.equals("WITH")) {
        verb = mainVerb();
      }
      return new SqlSummary(sanitised, verb, target(verb));
    }

    private String mainVerb() {
      for (String word = next(); word != null; word = next()) {
        if (depth == 0) {
          String upper = word.toUpperCase(Locale.ROOT);
          switch (upper) {
            case "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE" -> {
              return upper;
            }
            default -> {}
          }
        }
      }
      return "WITH";
    }

    private @Nullable String target(String verb) {
      return switch (verb) {
        case "SELECT" -> after("FROM");
        case "DELETE" -> after("FROM");
        case "INSERT", "MERGE", "REPLACE" -> after("INTO");
        case "UPDATE" -> name(next());
        case "CALL" -> name(next());
        case "LOAD" -> after("TABLE");
        case "TRUNCATE", "COPY" -> {
          String word = next();
          yield name(word != null && word.equalsIgnoreCase("TABLE") ? next() : word);
        }
        default -> null;
      };
    }

    private @Nullable String after(String keyword) {
      String previous = "";
      for (String word = next(); word != null; word = next()) {
        // IS DISTINCT FROM is not a FROM clause.
        if (depth == 0
            && word.equalsIgnoreCase(keyword)
            && !previous.equalsIgnoreCase("DISTINCT")) {
          return name(next());
        }
        if (depth < 0 || word.equals(";")) {
          return null;
        }
        previous = word;
      }
      return null;
    }

    private @Nullable String name(@Nullable String word) {
      String name = word;
      while (name != null && modifier(name)) {
        name = next();
      }
      if (name == null || !nameStart(name.charAt(0))) {
        return null;
      }
      // A name followed by a parenthesis in FROM is a function, but in INSERT INTO t(a) a table.
      return name.length() <= 255 ? name : null;
    }

    /** What may stand between the verb and the table: PostgreSQL's, then MySQL's. */
    private static boolean modifier(String word) {
      return word.equalsIgnoreCase("ONLY")
          || word.equalsIgnoreCase("LOW_PRIORITY")
          || word.equalsIgnoreCase("IGNORE");
    }

    private static boolean keyword(String word) {
      if (word.length() > 32) {
        return false;
      }
      for (int i = 0; i < word.length(); i++) {
        char c = word.charAt(i);
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')) {
          return false;
        }
      }
      return true;
    }

    /** The next word, dotted name or single symbol; null at the end. */
    private @Nullable String next() {
      while (pos < text.length() && text.charAt(pos) == ' ') {
        pos++;
      }
      if (pos >= text.length()) {
        return null;
      }
      int start = pos;
      char c = text.charAt(pos);
      if (!nameStart(c)) {
        pos++;
        if (c == '(') {
          depth++;
        } else if (c == ')') {
          depth--;
        }
        return text.substring(start, pos);
      }
      while (pos < text.length()) {
        c = text.charAt(pos);
        if (c == '"' || c == '`') {
          int close = text.indexOf(c, pos + 1);
          pos = close < 0 ? text.length() : close + 1;
        } else if (wordPart(c) || c == '.') {
          pos++;
        } else {
          break;
        }
      }
      return text.substring(start, pos);
    }
  }
}
