package dev.underspan.runtime.doctor;

import java.lang.reflect.RecordComponent;
import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Records as JSON: a component is a member of the same name, enums are in lower case, null is left
 * out. A library for this would be the largest thing in the agent that the agent never uses.
 */
final class Json {
  private final StringBuilder out = new StringBuilder();

  private Json() {}

  static String of(Record value) {
    Json json = new Json();
    json.write(value, 0);
    return json.out.append('\n').toString();
  }

  private void write(Object value, int depth) {
    if (value instanceof Record) {
      members(value, depth);
    } else if (value instanceof Map<?, ?> map) {
      Members members = new Members('{', '}', depth);
      map.forEach((key, element) -> members.add(String.valueOf(key), element));
      members.end();
    } else if (value instanceof Collection<?> list) {
      Members members = new Members('[', ']', depth);
      list.forEach(element -> members.add(null, element));
      members.end();
    } else if (value instanceof Number || value instanceof Boolean) {
      out.append(value);
    } else if (value instanceof Enum<?> constant) {
      string(constant.name().toLowerCase(Locale.ROOT));
    } else {
      string(value.toString());
    }
  }

  private void members(Object value, int depth) {
    Members members = new Members('{', '}', depth);
    for (RecordComponent component : value.getClass().getRecordComponents()) {
      try {
        var accessor = component.getAccessor();
        accessor.setAccessible(true); // the records of this package are its own
        members.add(component.getName(), accessor.invoke(value));
      } catch (ReflectiveOperationException e) {
        throw new IllegalStateException(e);
      }
    }
    members.end();
  }

  private final class Members {
    private final char closing;
    private final int depth;
    private boolean any;

    Members(char opening, char closing, int depth) {
      this.closing = closing;
      this.depth = depth;
      out.append(opening);
    }

    void add(@Nullable String name, @Nullable Object value) {
      if (value == null) {
        return;
      }
      out.append(any ? ",\n" : "\n").append("  ".repeat(depth + 1));
      any = true;
      if (name != null) {
        string(name);
        out.append(": ");
      }
      write(value, depth + 1);
    }

    void end() {
      if (any) {
        out.append('\n').append("  ".repeat(depth));
      }
      out.append(closing);
    }
  }

  private void string(String text) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c < ' ') {
        out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    out.append('"');
  }
}
