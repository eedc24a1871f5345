package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What of ours depends on the C library, tried on musl's: there is no JVM on musl among the
 * packages that tests can have. `make setup` installs Debian's package musl.
 */
class MuslTest {
  private static final String PROCESSOR =
      System.getProperty("os.arch").equals("amd64") ? "x86_64" : System.getProperty("os.arch");
  private static final Path LINKER = Path.of("/lib/ld-musl-" + PROCESSOR + ".so.1");

  /** All native code of the jar is jffi's library. */
  @Test
  void nativeLibraryIsLinkedWithNothingMissing(@TempDir Path directory) throws Exception {
    Path library = directory.resolve("libjffi.so");
    String name = "/jni/" + PROCESSOR + "-Linux/libjffi-1.2.so";
    try (InputStream in = Objects.requireNonNull(MuslTest.class.getResourceAsStream(name))) {
      Files.copy(in, library);
    }
    Process process =
        new ProcessBuilder(LINKER.toString(), "--list", library.toString())
            .redirectErrorStream(true)
            .start();
    String lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
    // It names each symbol that it cannot find, and gives 127 then.
    assertThat(lines).contains("libc.so.6 => " + LINKER).doesNotContain("Error");
    assertThat(process.exitValue()).isZero();
  }

  @Test
  void dynamicLinkerTellsWhatItMaps() throws Exception {
    assertThat(
            ElfFile.read(LINKER).functions(Set.of(DynamicLinker.MAPPED)).get(DynamicLinker.MAPPED))
        .isPositive();
  }

  /** The only function of the C library that is called. */
  @Test
  void systemCallsCanBeMade() throws Exception {
    assertThat(ElfFile.read(LINKER).functions(Set.of("syscall"))).containsKey("syscall");
  }
}
