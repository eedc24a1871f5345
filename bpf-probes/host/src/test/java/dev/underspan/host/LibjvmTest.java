package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class LibjvmTest {
  private static final Path FILE =
      Path.of(System.getProperty("java.home"), "lib", "server", "libjvm.so");

  private static long found(String... maps) throws Exception {
    Libjvm libjvm =
        Libjvm.among(
            List.of(maps).stream().map(line -> line.replace("FILE", FILE.toString())).toList());
    long there = Libjvm.read(FILE, 0).address("gHotSpotVMStructs");
    assertThat(there).isNotZero();
    return libjvm.address("gHotSpotVMStructs") - there;
  }

  /** Whoever reads symbols out of it maps the file too, at a lower address maybe. */
  @Test
  void mappingsOfThoseWhoReadTheFileAreNotTheJvm() throws Exception {
    assertThat(
            found(
                "7fba65000000-7fba666ff000 r--s 00000000 fe:00 315152   FILE",
                "7fba66800000-7fba67eff000 r--p 00000000 fe:00 315152   FILE",
                "7fbaf4400000-7fbafbeb2000 r--s 00000000 fe:00 315140   /opt/jdk/lib/modules",
                "7fbb04200000-7fbb04451000 r--p 00000000 fe:00 315152   FILE",
                "7fbb04451000-7fbb051a4000 r-xp 00251000 fe:00 315152   FILE",
                "7fbb06200000-7fbb06451000 r--p 00000000 fe:00 315152   FILE"))
        .isEqualTo(0x7fbb04200000L);
  }

  /** Older linkers make one segment of headers and code. */
  @Test
  void oneSegment() throws Exception {
    assertThat(
            found(
                "7fba65000000-7fba666ff000 r--s 00000000 fe:00 315152   FILE",
                "7fbb04200000-7fbb051a4000 r-xp 00000000 fe:00 315152   FILE"))
        .isEqualTo(0x7fbb04200000L);
  }
}
