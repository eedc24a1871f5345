package dev.underspan.demo;

/** Text in terminal cells: what comes from a span may hold anything, escape sequences included. */
final class Text {
  private Text() {}

  /** One line without control or formatting characters. */
  static String clean(String text) {
    StringBuilder out = new StringBuilder();
    text.codePoints()
        .forEach(
            c -> {
              int type = Character.getType(c);
              if (type == Character.CONTROL || type == Character.LINE_SEPARATOR) {
                out.append(' ');
              } else if (type != Character.FORMAT
                  && type != Character.SURROGATE
                  && type != Character.UNASSIGNED
                  && type != Character.PRIVATE_USE) {
                out.appendCodePoint(c);
              }
            });
    return out.toString().strip();
  }

  /** Cells that the text takes. */
  static int width(String text) {
    return text.codePoints().map(Text::cells).sum();
  }

  /** Cuts to so many cells, with an ellipsis where something is missing. */
  static String fit(String text, int cells) {
    if (width(text) <= cells) {
      return text;
    }
    if (cells <= 0) {
      return "";
    }
    StringBuilder out = new StringBuilder();
    int used = 0;
    for (int i = 0; i < text.length(); ) {
      int c = text.codePointAt(i);
      if (used + cells(c) > cells - 1) {
        break;
      }
      out.appendCodePoint(c);
      used += cells(c);
      i += Character.charCount(c);
    }
    return out.append('…').toString();
  }

  private static int cells(int c) {
    int type = Character.getType(c);
    if (type == Character.NON_SPACING_MARK || type == Character.ENCLOSING_MARK) {
      return 0;
    }
    boolean wide =
        (c >= 0x1100 && c <= 0x115f)
            || (c >= 0x2e80 && c <= 0xa4cf)
            || (c >= 0xac00 && c <= 0xd7a3)
            || (c >= 0xf900 && c <= 0xfaff)
            || (c >= 0xfe30 && c <= 0xfe6f)
            || (c >= 0xff00 && c <= 0xff60)
            || (c >= 0xffe0 && c <= 0xffe6)
            || (c >= 0x1f300 && c <= 0x1faff)
            || (c >= 0x20000 && c <= 0x3fffd);
    return wide ? 2 : 1;
  }
}
