package dev.underspan;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The JVMs that the jar is tried on. */
public final class Jdks {
  private Jdks() {}

  /** 17 or whatever runs the build, and 25 where it is installed. */
  public static Stream<Path> homes() throws IOException {
    List<Path> homes = new ArrayList<>();
    homes.add(Path.of(System.getProperty("java.home")));
    Path jvms = Path.of("/usr/lib/jvm");
    if (Files.isDirectory(jvms)) {
      try (Stream<Path> found = Files.list(jvms)) {
        found
            .filter(home -> home.getFileName().toString().matches(".*(^|[^0-9])25([^0-9]|$).*"))
            .filter(home -> Files.isExecutable(home.resolve("bin/java")))
            .findFirst()
            .ifPresent(homes::add);
      }
    }
    return homes.stream();
  }
}
