package dev.underspan.host;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.management.JMException;
import javax.management.ObjectName;
import org.jspecify.annotations.NullUnmarked;

/** The JVM's own log of its stops (-Xlog:safepoint), switched on while open. */
@NullUnmarked
final class SafepointLog implements AutoCloseable {
  private static final Pattern LINE =
      Pattern.compile("\\[(\\d+)ns\\].*, At safepoint: *(\\d+) ns,.*Total: *(\\d+) ns.*");

  private final Path file;

  SafepointLog(Path file) throws JMException {
    this.file = file;
    command("output=" + file, "what=safepoint=info", "decorators=timenanos");
  }

  private static void command(String... arguments) throws JMException {
    ManagementFactory.getPlatformMBeanServer()
        .invoke(
            new ObjectName("com.sun.management:type=DiagnosticCommand"),
            "vmLog",
            new Object[] {arguments},
            new String[] {String[].class.getName()});
  }

  /**
   * Nanoseconds of all stops between two moments of System.nanoTime(): from when a stop was asked
   * for, and of that from when all threads stood still.
   */
  long[] stopped(long from, long to) throws IOException {
    long[] sums = new long[2];
    for (String line : Files.readAllLines(file)) {
      Matcher stop = LINE.matcher(line);
      if (stop.matches()) {
        long end = Long.parseLong(stop.group(1));
        for (int i = 0; i < 2; i++) {
          long begin = end - Long.parseLong(stop.group(i == 0 ? 3 : 2));
          sums[i] += Math.max(0, Math.min(end, to) - Math.max(begin, from));
        }
      }
    }
    return sums;
  }

  @Override
  public void close() throws JMException {
    command("output=" + file, "what=all=off");
  }
}
