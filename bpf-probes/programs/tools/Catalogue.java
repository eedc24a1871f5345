import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Says of each program what it is, for people: {@code name=section instructions helper,helper…}. Read
 * from {@code llvm-objdump -dr --no-show-raw-insn} of the object, before any kernel has seen it.
 * Helpers are {@code number:name}, named by the kernel's own {@code enum bpf_func_id} in vmlinux.h.
 *
 * <p>Arguments: the disassembly, vmlinux.h, the file to write.
 */
public class Catalogue {
  private static final Pattern FUNCTION = Pattern.compile("([0-9a-f]{16}) <(?!LBB)(\\w+)>:");
  private static final Pattern INSTRUCTION = Pattern.compile("\\s+(\\d+):\\t(.*)");
  private static final Pattern HELPER = Pattern.compile("call (\\d+|0x[0-9a-f]+)");
  private static final Pattern REFERRED = Pattern.compile(".*R_BPF_64_(?:32|64)\\s+(\\S+)");

  private static class Function {
    final String section;
    final int first;
    final TreeSet<Integer> helpers = new TreeSet<>();
    final TreeSet<String> referred = new TreeSet<>();
    int instructions;

    Function(String section, int first) {
      this.section = section;
      this.first = first;
    }
  }

  public static void main(String[] args) throws Exception {
    Map<Integer, String> names = new LinkedHashMap<>();
    Matcher name = Pattern.compile("BPF_FUNC_(\\w+) = (\\d+),").matcher(Files.readString(Path.of(args[1])));
    while (name.find()) {
      names.put(Integer.parseInt(name.group(2)), name.group(1));
    }
    Map<String, Function> functions = functions(Path.of(args[0]));
    StringBuilder out = new StringBuilder();
    functions.forEach(
        (program, function) -> {
          if (function.section.equals(".text")) {
            return;
          }
          TreeSet<Integer> helpers = new TreeSet<>();
          int instructions = collect(program, functions, new TreeSet<>(), helpers);
          out.append(program).append('=').append(function.section).append(' ').append(instructions).append(' ');
          String separator = "";
          for (int helper : helpers) {
            if (!names.containsKey(helper)) {
              throw new IllegalStateException(program + " calls helper " + helper + ", which vmlinux.h does not name");
            }
            out.append(separator).append(helper).append(':').append(names.get(helper));
            separator = ",";
          }
          out.append('\n');
        });
    Files.writeString(Path.of(args[2]), out);
  }

  /**
   * libbpf appends to a program the functions that it calls, once each. The relocation may name their
   * section only; then all of it is counted.
   */
  private static int collect(
      String name, Map<String, Function> functions, TreeSet<String> seen, TreeSet<Integer> helpers) {
    Function function = functions.get(name);
    if (!seen.add(name) || function == null) { // a map, or a global
      return 0;
    }
    helpers.addAll(function.helpers);
    int instructions = function.instructions;
    for (String referred : function.referred) {
      for (Map.Entry<String, Function> other : functions.entrySet()) {
        if (other.getKey().equals(referred) || other.getValue().section.equals(referred)) {
          instructions += collect(other.getKey(), functions, seen, helpers);
        }
      }
    }
    return instructions;
  }

  private static Map<String, Function> functions(Path disassembly) throws Exception {
    Map<String, Function> functions = new LinkedHashMap<>();
    String section = "";
    Function current = null;
    for (String line : Files.readAllLines(disassembly)) {
      Matcher function = FUNCTION.matcher(line);
      Matcher instruction = INSTRUCTION.matcher(line);
      Matcher referred = REFERRED.matcher(line);
      if (line.startsWith("Disassembly of section ")) {
        section = line.substring("Disassembly of section ".length(), line.length() - 1);
      } else if (function.matches()) {
        current = new Function(section, Integer.parseInt(function.group(1), 16) / 8);
        functions.put(function.group(2), current);
      } else if (current != null && referred.matches()) {
        current.referred.add(referred.group(1));
      } else if (current != null && instruction.matches()) {
        // The last one is an exit, of one place; a 64-bit constant takes two.
        current.instructions = Integer.parseInt(instruction.group(1)) - current.first + 1;
        Matcher helper = HELPER.matcher(instruction.group(2));
        if (helper.matches()) {
          current.helpers.add(Integer.decode(helper.group(1)));
        }
      }
    }
    return functions;
  }
}
