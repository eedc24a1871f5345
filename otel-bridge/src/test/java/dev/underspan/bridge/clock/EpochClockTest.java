package dev.underspan.bridge.clock;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class EpochClockTest {
  private static long wall() {
    Instant now = Instant.now();
    return TimeUnit.SECONDS.toNanos(now.getEpochSecond()) + now.getNano();
  }

  @Test
  void nowIsNow() {
    EpochClock clock = new EpochClock();
    long before = wall();
    long now = clock.anchor().epochNanos(System.nanoTime());
    long after = wall();
    long second = TimeUnit.SECONDS.toNanos(1);
    assertThat(now).isBetween(before - second, after + second);
  }

  @Test
  void differencesAreKept() {
    EpochClock.Anchor anchor = new EpochClock().anchor();
    long base = System.nanoTime();
    long epoch = anchor.epochNanos(base);
    assertThat(anchor.epochNanos(base + 1)).isEqualTo(epoch + 1);
    assertThat(anchor.epochNanos(base - 3_600_000_000_000L)).isEqualTo(epoch - 3_600_000_000_000L);
    assertThat(anchor.epochNanos(base + 5_000_000_000L)).isEqualTo(epoch + 5_000_000_000L);
  }

  @Test
  void orderIsKept() {
    EpochClock clock = new EpochClock();
    long last = clock.anchor().epochNanos(System.nanoTime());
    for (int i = 0; i < 1000; i++) {
      long next = clock.anchor().epochNanos(System.nanoTime());
      assertThat(next).isGreaterThanOrEqualTo(last);
      last = next;
    }
  }
}
