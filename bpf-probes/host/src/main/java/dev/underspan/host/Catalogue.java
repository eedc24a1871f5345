package dev.underspan.host;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;

/** What the programs of a set are, as told at build time: tools/Catalogue.java. */
final class Catalogue {
  /**
   * A program.
   *
   * @param target what it is attached to, in libbpf's words
   * @param instructions as compiled, with the functions that it calls
   * @param helpers functions of the kernel that it may call, name by number
   */
  record Program(String name, String target, int instructions, Map<Integer, String> helpers) {}

  private Catalogue() {}

  /** By name. */
  static Map<String, Program> of(String set) throws ProbeException {
    Properties lines = new Properties();
    try (InputStream in = LightSkeleton.resource(set + ".catalogue")) {
      lines.load(in);
    } catch (IOException e) {
      throw ProbeException.of("cannot read the BPF programs from the jar: " + e);
    }
    List<Program> programs = new ArrayList<>();
    for (String name : lines.stringPropertyNames()) {
      String[] fields = lines.getProperty(name).split(" ", 3);
      Map<Integer, String> helpers = new TreeMap<>();
      if (fields.length == 3 && !fields[2].isBlank()) {
        for (String helper : fields[2].split(",", -1)) {
          String[] parts = helper.split(":", 2);
          helpers.put(Integer.parseInt(parts[0]), parts[1]);
        }
      }
      programs.add(new Program(name, fields[0], Integer.parseInt(fields[1]), helpers));
    }
    programs.sort(Comparator.comparing(Program::target).thenComparing(Program::name));
    Map<String, Program> byName = new LinkedHashMap<>();
    programs.forEach(program -> byName.put(program.name(), program));
    return byName;
  }
}
