package dev.underspan.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WaterfallTest {
  private static final Path GOLDEN = Path.of("src/test/resources/golden");

  /** Compares with the stored picture; {@code -Dgolden.update=true} stores it anew. */
  private static void golden(String name, String picture) {
    try {
      Path file = GOLDEN.resolve(name);
      if (Boolean.getBoolean("golden.update")) {
        Files.writeString(file, picture);
      }
      assertThat(picture).isEqualTo(Files.readString(file, StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String plain(String picture) {
    return picture.replaceAll("\u001b\\[[0-9;]*m", "");
  }

  @Test
  void pictures() {
    golden("slow-sql.txt", new Waterfall(100, false).render(Traces.slowSql()));
    golden("slow-sql.ansi", new Waterfall(100, true).render(Traces.slowSql()));
    golden("lock.txt", new Waterfall(100, false).render(Traces.lock()));
    golden("saturated.txt", new Waterfall(80, false).render(Traces.saturated()));
    golden("normal.txt", new Waterfall(100, false).render(Traces.normal()));
    golden("awkward.txt", new Waterfall(110, false).render(Traces.awkward()));
  }

  @Test
  void colourAddsNothingButEscapeSequences() {
    assertThat(plain(new Waterfall(100, true).render(Traces.awkward())))
        .isEqualTo(new Waterfall(100, false).render(Traces.awkward()));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 40, 41, 57, 80, 100, 133, 250})
  void noLineIsWiderThanAsked(int width) {
    for (Trace trace :
        new Trace[] {
          Traces.slowSql(), Traces.lock(), Traces.saturated(), Traces.normal(), Traces.awkward()
        }) {
      for (int rows : new int[] {1, 5, 60, 1_000}) {
        for (String line : new Waterfall(width, false, rows).render(trace).split("\n")) {
          assertThat(Text.width(line)).as(line).isLessThanOrEqualTo(Math.max(40, width));
        }
      }
    }
  }

  @Test
  void escapeSequencesInNamesDoNotReachTheTerminal() {
    assertThat(new Waterfall(200, false).render(Traces.awkward())).doesNotContain("\u001b");
  }

  @Test
  void manySimilarSiblingsAreOneLine() {
    String picture = new Waterfall(110, false).render(Traces.awkward());
    assertThat(picture).contains("… 37 more like SET order").contains("910 µs to 1.3 ms");
  }

  @Test
  void fewRowsKeepTheLongestSpans() {
    String picture = new Waterfall(110, false, 4).render(Traces.awkward());
    assertThat(picture).contains("POST /orders").contains("shorter spans");
    assertThat(picture.lines().count()).isLessThan(20);
  }

  @Test
  void theWaitInTheSocketComesFirst() {
    String picture = new Waterfall(80, false).render(Traces.saturated());
    assertThat(picture)
        .containsPattern("GET /price\\S* +░+█+z+")
        .contains("612 ms unread in the socket");
  }

  @Test
  void aSpanWithoutAccountIsPlainAndSaysSo() {
    Trace trace = new Traces().span(1, 0, "a", Span.Kind.SERVER, "b", 0, 1_000).trace();
    assertThat(new Waterfall(60, false).render(trace))
        .containsPattern("a b +-{20,}.*1 ms")
        .contains("no span has a time account");
  }

  @Test
  void aSpanOfNoLengthIsDrawn() {
    Trace trace = new Traces().span(1, 0, "a", Span.Kind.SERVER, "b", 0, 0).trace();
    assertThat(new Waterfall(60, false).render(trace)).contains("0 ns");
  }

  @Test
  void units() {
    assertThat(Units.time(999)).isEqualTo("999 ns");
    assertThat(Units.time(1_250)).isEqualTo("1.3 µs");
    assertThat(Units.time(999_600)).isEqualTo("1 ms");
    assertThat(Units.time(9_960_000)).isEqualTo("10 ms");
    assertThat(Units.time(999_600_000)).isEqualTo("1 s");
    assertThat(Units.time(1_234_000_000)).isEqualTo("1.23 s");
    assertThat(Units.bytes(1_230)).isEqualTo("1.2 kB");
  }
}
