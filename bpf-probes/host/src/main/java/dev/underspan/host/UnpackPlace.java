package dev.underspan.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Where jffi unpacks its library: java.io.tmpdir, unless nothing can be written or executed there,
 * as on a read-only root file system; then elsewhere, while it is loaded.
 */
final class UnpackPlace {
  private static final String PROPERTY = "jffi.extract.dir";

  private UnpackPlace() {}

  /** Loads it; only meanwhile jffi is told, since an application may have a jffi of its own. */
  static <T> T with(Supplier<T> loading) {
    Path other = System.getProperty(PROPERTY) == null ? otherPlace() : null;
    if (other == null) {
      return loading.get();
    }
    System.setProperty(PROPERTY, other.toString());
    try {
      return loading.get();
    } finally {
      System.clearProperty(PROPERTY);
    }
  }

  private static @Nullable Path otherPlace() {
    Path usual = Path.of(System.getProperty("java.io.tmpdir", "/tmp"));
    if (isUsable(usual)) {
      return null;
    }
    for (String place : List.of("/dev/shm", "/run", "/var/tmp", "/dev")) {
      if (isUsable(Path.of(place))) {
        return Path.of(place);
      }
    }
    return null; // then it fails, and says why
  }

  private static boolean isUsable(Path directory) {
    try {
      Files.delete(Files.createTempFile(directory, "underspan", null));
      return !isNoExec(directory.toRealPath());
    } catch (IOException | RuntimeException e) {
      return false;
    }
  }

  /** By the options of the mount that it is on: the last of those with the longest path. */
  private static boolean isNoExec(Path directory) throws IOException {
    boolean noExec = false;
    int longest = -1;
    for (String line : Files.readAllLines(Path.of("/proc/self/mountinfo"))) {
      // id parent device root place options …
      String[] fields = line.split(" ", 7);
      Path place = Path.of(fields[4]);
      if (directory.startsWith(place) && place.getNameCount() >= longest) {
        longest = place.getNameCount();
        noExec = List.of(fields[5].split(",", -1)).contains("noexec");
      }
    }
    return noExec;
  }
}
