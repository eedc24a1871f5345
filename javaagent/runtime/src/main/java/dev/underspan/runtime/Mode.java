package dev.underspan.runtime;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Whose spans carry what the agent knows: {@code underspan.mode}. */
enum Mode {
  /** Another tracer's where there is one, else our own. */
  AUTO,

  /** Our own, whatever else there is. */
  STANDALONE,

  /** Another tracer's; we make no server spans. */
  ENRICH;

  static final String KEY = "underspan.mode";

  /** What a text means; null for none of these. */
  static @Nullable Mode of(String text) {
    for (Mode mode : values()) {
      if (mode.toString().equals(text.trim().toLowerCase(Locale.ROOT))) {
        return mode;
      }
    }
    return null;
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
