package dev.underspan.runtime;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.JarFile;
import org.jspecify.annotations.Nullable;

/**
 * Whether the OpenTelemetry agent, or one that is built from it, is among the process's agents. By
 * what the JVM was told to load, so that it is known before that agent runs, in either order.
 */
final class OtherTracer {
  private static final String AGENT = "io/opentelemetry/javaagent/OpenTelemetryAgent.class";
  private static final String OPTION = "-javaagent:";

  private OtherTracer() {}

  /** The agent's jar; null when there is none, or it was switched off. */
  static @Nullable Path agent() {
    if (isOff(System.getProperty("otel.javaagent.enabled"))
        || isOff(System.getenv("OTEL_JAVAAGENT_ENABLED"))) {
      return null;
    }
    for (String argument : arguments()) {
      if (argument.startsWith(OPTION)) {
        String jar = argument.substring(OPTION.length());
        int options = jar.indexOf('=');
        Path path = Path.of(options < 0 ? jar : jar.substring(0, options));
        if (hasAgent(path)) {
          return path;
        }
      }
    }
    return null;
  }

  private static boolean isOff(@Nullable String value) {
    return "false".equalsIgnoreCase(value);
  }

  private static boolean hasAgent(Path jar) {
    if (!Files.isRegularFile(jar)) {
      return false;
    }
    try (JarFile file = new JarFile(jar.toFile(), false)) {
      return file.getJarEntry(AGENT) != null;
    } catch (IOException e) {
      return false;
    }
  }

  /** The JVM's options. Not by its management interface, which is slow to load. */
  private static List<String> arguments() {
    List<String> all = new ArrayList<>();
    for (String variable : List.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")) {
      String value = System.getenv(variable);
      if (value != null) {
        all.addAll(words(value));
      }
    }
    try {
      String line = Files.readString(Path.of("/proc/self/cmdline"), StandardCharsets.ISO_8859_1);
      // In the order of bytes that the file names have on disk.
      for (String argument : line.split("\0")) {
        String text =
            new String(
                argument.getBytes(StandardCharsets.ISO_8859_1),
                java.nio.charset.Charset.defaultCharset());
        all.add(text);
        if (text.startsWith("@")) {
          all.addAll(words(Files.readString(Path.of(text.substring(1)))));
        }
      }
    } catch (IOException | RuntimeException e) {
      // It is noticed later then, when the agent's SDK is built.
    }
    return all;
  }

  /** Words as the JVM takes them apart: by white space, unless quoted. */
  static List<String> words(String text) {
    List<String> words = new ArrayList<>();
    StringBuilder word = new StringBuilder();
    char quote = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (quote != 0) {
        if (c == quote) {
          quote = 0;
        } else {
          word.append(c);
        }
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (Character.isWhitespace(c)) {
        if (word.length() > 0) {
          words.add(word.toString());
          word.setLength(0);
        }
      } else {
        word.append(c);
      }
    }
    if (word.length() > 0) {
      words.add(word.toString());
    }
    return words;
  }
}
