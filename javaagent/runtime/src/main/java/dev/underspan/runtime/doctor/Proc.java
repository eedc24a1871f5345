package dev.underspan.runtime.doctor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Small files of the kernel's, which may be hidden or missing: then there is no answer. */
final class Proc {
  private Proc() {}

  /** Without the white space around; null if it cannot be read. */
  static @Nullable String text(String file) {
    try {
      return Files.readString(Path.of(file)).trim();
    } catch (IOException e) {
      return null;
    }
  }

  /** None if it cannot be read. */
  static List<String> lines(String file) {
    String text = text(file);
    return text == null || text.isEmpty() ? List.of() : text.lines().toList();
  }

  static @Nullable Integer number(String file) {
    String text = text(file);
    try {
      return text == null ? null : Integer.valueOf(text);
    } catch (NumberFormatException e) {
      return null;
    }
  }
}
