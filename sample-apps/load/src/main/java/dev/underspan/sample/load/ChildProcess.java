package dev.underspan.sample.load;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A process that was started here and is ended here, together with its descendants. */
final class ChildProcess {
  private final String name;
  private final Process process;
  private final Path log;

  private ChildProcess(String name, Process process, Path log) {
    this.name = name;
    this.process = process;
    this.log = log;
  }

  static ChildProcess start(String name, ProcessBuilder builder, Path log) throws IOException {
    Files.deleteIfExists(log);
    builder.redirectErrorStream(true);
    builder.redirectOutput(log.toFile());
    builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
    return new ChildProcess(name, builder.start(), log);
  }

  long pid() {
    return process.pid();
  }

  boolean isAlive() {
    return process.isAlive();
  }

  ProcessHandle handle() {
    return process.toHandle();
  }

  Path log() {
    return log;
  }

  /** Waits until the log has a match, and returns it. */
  Matcher await(Pattern pattern, long deadlineNanos) throws IOException, InterruptedException {
    while (true) {
      boolean alive = process.isAlive();
      Matcher matcher = pattern.matcher(readLog());
      if (matcher.find()) {
        return matcher;
      }
      if (!alive) {
        throw new IOException(
            name + " ended with " + process.exitValue() + " before it was ready:\n" + tail());
      }
      if (System.nanoTime() - deadlineNanos > 0) {
        throw new IOException(name + " was not ready in time:\n" + tail());
      }
      TimeUnit.MILLISECONDS.sleep(15);
    }
  }

  private String readLog() throws IOException {
    return new String(Files.readAllBytes(log), StandardCharsets.UTF_8);
  }

  private String tail() throws IOException {
    String text = readLog();
    return log + ":\n" + text.substring(Math.max(0, text.length() - 4000));
  }

  /** Asks the process to end. */
  void terminate() {
    process.destroy();
  }

  /** Asks the process to end by the interrupt signal, which PostgreSQL takes for a fast stop. */
  void interrupt() {
    try {
      Process kill =
          new ProcessBuilder("kill", "-INT", Long.toString(pid()))
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      if (!kill.waitFor(5, TimeUnit.SECONDS)) {
        kill.destroyForcibly();
      }
    } catch (IOException e) {
      process.destroy();
    } catch (InterruptedException e) {
      process.destroy();
      Thread.currentThread().interrupt();
    }
  }

  /** The process's descendants of this moment. */
  List<ProcessHandle> descendants() {
    return process.descendants().toList();
  }

  /**
   * Waits for the end, and forces it after the grace time; the given descendants end too. Returns
   * what is still alive.
   */
  List<ProcessHandle> awaitEnd(List<ProcessHandle> descendants, Duration grace) {
    List<ProcessHandle> all = new ArrayList<>(descendants);
    all.add(process.toHandle());
    long deadline = System.nanoTime() + grace.toNanos();
    if (waitFor(all, deadline)) {
      return List.of();
    }
    all.stream().filter(ProcessHandle::isAlive).forEach(ProcessHandle::destroyForcibly);
    waitFor(all, System.nanoTime() + TimeUnit.SECONDS.toNanos(5));
    return all.stream().filter(ProcessHandle::isAlive).toList();
  }

  private static boolean waitFor(List<ProcessHandle> handles, long deadline) {
    boolean interrupted = false;
    try {
      while (handles.stream().anyMatch(ProcessHandle::isAlive)) {
        if (System.nanoTime() - deadline > 0) {
          return false;
        }
        try {
          TimeUnit.MILLISECONDS.sleep(10);
        } catch (InterruptedException e) {
          interrupted = true; // what was started must end all the same
        }
      }
      return true;
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
