package dev.underspan.host;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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

  /** A stop, by System.nanoTime(): asked for, all threads standing still, told as over. */
  record Stop(long asked, long still, long end) {
    /** Of the time from {@code from} to {@code to}, how much it was asked for or going on. */
    long within(long from, long to) {
      return Math.max(0, Math.min(end, to) - Math.max(asked, from));
    }

    /** Of the time from {@code from} to {@code to}, how much all threads stood still. */
    long stillWithin(long from, long to) {
      return Math.max(0, Math.min(end, to) - Math.max(still, from));
    }
  }

  List<Stop> stops() throws IOException {
    List<Stop> stops = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      Matcher stop = LINE.matcher(line);
      if (stop.matches()) {
        long end = Long.parseLong(stop.group(1));
        stops.add(
            new Stop(
                end - Long.parseLong(stop.group(3)), end - Long.parseLong(stop.group(2)), end));
      }
    }
    return stops;
  }

  @Override
  public void close() throws JMException {
    command("output=" + file, "what=all=off");
  }
}
