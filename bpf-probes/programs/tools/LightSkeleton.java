import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Takes what {@code bpftool gen skeleton -L} wrote for C and keeps what a loader in any language
 * needs: PREFIX.insns (the loader program), PREFIX.data (its blob) and PREFIX.properties (where in
 * the loader's context each map and program has its descriptor).
 *
 * <p>The context is libbpf's: a header of 24 bytes (sz, flags, log_level, log_size, log_buf), then 16
 * bytes a map (fd, max_entries, initial_value), then 4 bytes a program (fd). Source: libbpf's
 * skel_internal.h.
 */
public class LightSkeleton {
  private static final int HEADER = 24;
  private static final int MAP = 16;
  private static final int PROGRAM = 4;
  private static final int NAME = 48;
  private static final int EXPECTED_ATTACH_TYPE = 68;
  private static final int ATTRIBUTES = 72;
  private static final int BPF_PROG_TYPE_KPROBE = 2;
  private static final int BPF_TRACE_UPROBE_MULTI = 48;

  public static void main(String[] args) throws Exception {
    String text = Files.readString(Path.of(args[0]));
    List<String> maps = names(text, "struct bpf_map_desc (\\w+);");
    List<String> programs = names(text, "struct bpf_prog_desc (\\w+);");
    StringBuilder out = new StringBuilder();
    int offset = HEADER;
    for (String map : maps) {
      out.append("map.").append(map).append('=').append(offset).append('\n');
      offset += MAP;
    }
    for (String program : programs) {
      out.append("program.").append(program).append('=').append(offset).append('\n');
      offset += PROGRAM;
    }
    out.append("context.size=").append(offset).append('\n');
    Matcher initial =
        Pattern.compile("skel->(\\w+) = skel_prep_map_data\\(\\(void \\*\\)\"((?:[^\"]|\\n)*)\", (\\d+), (\\d+)\\)")
            .matcher(text);
    while (initial.find()) {
      for (byte b : bytes(initial.group(2))) {
        if (b != 0) {
          throw new IllegalStateException(initial.group(1) + " is not zero: initial data is not carried");
        }
      }
      out.append("initial.").append(initial.group(1)).append('=').append(initial.group(4)).append('\n');
    }
    Files.writeString(Path.of(args[1] + ".properties"), out);
    byte[] data = blob(text, "data");
    programs.forEach(program -> allowMulti(data, program));
    Files.write(Path.of(args[1] + ".data"), data);
    Files.write(Path.of(args[1] + ".insns"), blob(text, "insns"));
  }

  /**
   * Makes of an uprobe program one of section "uprobe.multi", which this libbpf may not know yet: such
   * a program can be attached by a link as well as by a perf event. Kernels that know no such links
   * do not look at the field. In the data is a union bpf_attr (linux/bpf.h) for each program.
   */
  private static void allowMulti(byte[] data, String program) {
    byte[] name = new byte[16];
    byte[] ascii = program.getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    System.arraycopy(ascii, 0, name, 0, Math.min(ascii.length, name.length - 1));
    java.nio.ByteBuffer attributes = java.nio.ByteBuffer.wrap(data).order(java.nio.ByteOrder.LITTLE_ENDIAN);
    int found = 0;
    for (int at = 0; at + ATTRIBUTES <= data.length; at += 8) {
      int type = attributes.getInt(at);
      boolean named = java.util.Arrays.equals(data, at + NAME, at + NAME + name.length, name, 0, name.length);
      if (named && type > 0 && type < 64) {
        found++;
        if (type == BPF_PROG_TYPE_KPROBE) {
          attributes.putInt(at + EXPECTED_ATTACH_TYPE, BPF_TRACE_UPROBE_MULTI);
        }
      }
    }
    if (found != 1) {
      throw new IllegalStateException(program + " is " + found + " times in the data");
    }
  }

  private static List<String> names(String text, String pattern) {
    List<String> names = new ArrayList<>();
    Matcher matcher = Pattern.compile(pattern).matcher(text);
    while (matcher.find()) {
      names.add(matcher.group(1));
    }
    return names;
  }

  private static byte[] blob(String text, String name) {
    int size = Integer.parseInt(group(text, "opts\\." + name + "_sz = (\\d+);"));
    int start = text.indexOf("opts." + name + " = (void *)\"") + ("opts." + name + " = (void *)\"").length();
    byte[] bytes = bytes(text.substring(start, text.indexOf('"', start)));
    // A C string literal ends with a zero of its own, which the last byte may rely on.
    if (bytes.length != size && bytes.length != size - 1) {
      throw new IllegalStateException(name + ": " + bytes.length + " bytes read, " + size + " announced");
    }
    return java.util.Arrays.copyOf(bytes, size);
  }

  private static String group(String text, String pattern) {
    Matcher matcher = Pattern.compile(pattern).matcher(text);
    if (!matcher.find()) {
      throw new IllegalStateException("not found in the skeleton: " + pattern);
    }
    return matcher.group(1);
  }

  /** Undoes the escapes that bpftool prints: \0, \xHH and a backslash before a line's end. */
  private static byte[] bytes(String literal) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(literal.length() / 2);
    for (int i = 0; i < literal.length(); i++) {
      char c = literal.charAt(i);
      if (c != '\\') {
        out.write(c);
        continue;
      }
      char escape = literal.charAt(++i);
      switch (escape) {
        case '\n' -> {}
        case '0' -> out.write(0);
        case 'x' -> {
          out.write(Integer.parseInt(literal.substring(i + 1, i + 3), 16));
          i += 2;
        }
        default -> throw new IllegalStateException("unknown escape \\" + escape);
      }
    }
    return out.toByteArray();
  }
}
