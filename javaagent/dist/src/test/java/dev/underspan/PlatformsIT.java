package dev.underspan;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.zip.ZipEntry;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The one jar is for all processors that it says it is for. */
class PlatformsIT {
  private static final String PROGRAMS = "inside/dev/underspan/programs/";
  private static final List<String> SETS = List.of("twice", "tracing", "functions", "ledger");
  private static final List<String> PARTS = List.of(".insns", ".data", ".properties", ".catalogue");

  @ParameterizedTest
  @CsvSource({"x86_64, pt_regs___of_x86, 62", "aarch64, pt_regs___of_arm64, 183"})
  void hasTheProgramsAndTheLibrary(String architecture, String registers, int machine)
      throws IOException {
    try (JarFile jar = new JarFile(System.getProperty("underspan.jar"))) {
      Set<String> expected = new TreeSet<>();
      for (String set : SETS) {
        PARTS.forEach(part -> expected.add(set + part));
      }
      assertThat(filesOf(jar, PROGRAMS + architecture + "/")).isEqualTo(expected);
      for (String set : SETS) {
        String place = PROGRAMS + architecture + "/" + set;
        // Eight bytes an instruction; the data has the type information, and so the names.
        assertThat(bytes(jar, place + ".insns").length).isPositive().matches(n -> n % 8 == 0);
        assertThat(new String(bytes(jar, place + ".data"), StandardCharsets.ISO_8859_1))
            .contains(registers);
        // Java finds maps and programs by these; the rest of the code does not ask which processor.
        for (String part : List.of(".properties", ".catalogue")) {
          assertThat(names(jar, place + part))
              .as(set + part)
              .isNotEmpty()
              .isEqualTo(names(jar, PROGRAMS + "x86_64/" + set + part));
        }
      }
      Set<String> libraries = filesOf(jar, "inside/jni/" + architecture + "-Linux/");
      assertThat(libraries).hasSize(1);
      ByteBuffer elf =
          ByteBuffer.wrap(
                  bytes(
                      jar, "inside/jni/" + architecture + "-Linux/" + libraries.iterator().next()))
              .order(ByteOrder.LITTLE_ENDIAN);
      assertThat(elf.getShort(18)).as("e_machine").isEqualTo((short) machine);
    }
  }

  private static Set<String> filesOf(JarFile jar, String folder) {
    Set<String> files = new TreeSet<>();
    jar.stream()
        .map(ZipEntry::getName)
        .filter(name -> name.startsWith(folder) && !name.equals(folder))
        .forEach(name -> files.add(name.substring(folder.length())));
    return files;
  }

  /** What stands before the equals signs. */
  private static List<String> names(JarFile jar, String file) throws IOException {
    return new String(bytes(jar, file), StandardCharsets.UTF_8)
        .lines()
        .map(line -> line.replaceFirst("=.*", ""))
        .toList();
  }

  private static byte[] bytes(JarFile jar, String file) throws IOException {
    ZipEntry entry = jar.getEntry(file);
    assertThat(entry).as(file).isNotNull();
    return jar.getInputStream(entry).readAllBytes();
  }
}
