package dev.underspan.runtime;

import dev.underspan.host.KernelProbes;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * Our own settings, {@code underspan.*}: from the agent's arguments first, then system properties,
 * then the environment ({@code UNDERSPAN_*}, dots and dashes as underscores). {@code otel.*} among
 * the agent's arguments is handed on to OpenTelemetry as system properties.
 */
final class Configuration {
  private final Map<String, String> arguments = new HashMap<>();

  /**
   * Reads the text behind {@code -javaagent:underspan.jar=}.
   *
   * @param text {@code key=value,key=value}; the prefix {@code underspan.} may be left out
   */
  static Configuration of(@Nullable String text) {
    Configuration configuration = new Configuration();
    if (text == null || text.isBlank()) {
      return configuration;
    }
    for (String part : text.split(",")) {
      int equals = part.indexOf('=');
      String key = (equals < 0 ? part : part.substring(0, equals)).trim();
      String value = equals < 0 ? "true" : part.substring(equals + 1).trim();
      if (key.startsWith("otel.")) {
        if (System.getProperty(key) == null) {
          System.setProperty(key, value);
        }
      } else if (!key.isEmpty()) {
        configuration.arguments.put(key.startsWith("underspan.") ? key : "underspan." + key, value);
      }
    }
    return configuration;
  }

  @Nullable String get(String key) {
    String value = arguments.get(key);
    if (value == null) {
      value = System.getProperty(key);
    }
    if (value == null) {
      value = System.getenv(key.toUpperCase(Locale.ROOT).replace('.', '_').replace('-', '_'));
    }
    return value;
  }

  private boolean flag(String key, boolean otherwise) {
    String value = get(key);
    return value == null ? otherwise : value.equalsIgnoreCase("true") || value.equals("1");
  }

  /** Whether the agent does anything at all. */
  boolean enabled() {
    return flag("underspan.enabled", true);
  }

  /** Whether to try for kernel access. */
  boolean kernel() {
    return flag("underspan.kernel.enabled", true);
  }

  /** Where a sidecar is to be found if it was told; then this process's own rights are not used. */
  @Nullable Path sidecar() {
    String value = get("underspan.sidecar.socket");
    return value == null || value.isBlank() ? null : Path.of(value);
  }

  /** Whether to tell more on stderr. */
  boolean debug() {
    return flag("underspan.debug", false);
  }

  /** Whether spans are to tell whose certificate a client has shown. */
  boolean clientSubject() {
    return flag("underspan.tls.client.subject", false);
  }

  boolean instrumentation(String name) {
    return flag("underspan.instrumentation." + name + ".enabled", true);
  }

  /** Whose spans to use; a value that cannot be is reported and not used. */
  Mode mode() {
    String value = get(Mode.KEY);
    if (value == null) {
      return Mode.AUTO;
    }
    Mode mode = Mode.of(value);
    if (mode == null) {
      Log.warn(
          Mode.KEY + "=" + value + " is not one of " + List.of(Mode.values()) + "; using auto");
      return Mode.AUTO;
    }
    return mode;
  }

  /** How many threads can have an account at once; a value that cannot be is not used. */
  int slots() {
    return number(
        "underspan.ledger.slots",
        KernelProbes.DEFAULT_SLOTS,
        slots -> slots >= 1 && slots <= KernelProbes.MAX_SLOTS,
        "a number from 1 to " + KernelProbes.MAX_SLOTS);
  }

  /** How long a thread must be blocked for its stack to be taken, ms; 0: never. */
  int blockedThreshold() {
    return number("underspan.blocked.threshold", 100, ms -> ms >= 0, "a number of milliseconds");
  }

  /** How many such stacks a second. */
  int blockedRate() {
    return number("underspan.blocked.rate", 10, rate -> rate > 0, "a positive number");
  }

  /** Size of the ring buffer, bytes. */
  int ringBytes() {
    return number(
        "underspan.ring.bytes",
        KernelProbes.DEFAULT_RING_BYTES,
        bytes -> bytes >= 4096 && Integer.bitCount(bytes) == 1,
        "a power of two of at least 4096");
  }

  private int number(String key, int usual, IntPredicate possible, String what) {
    String value = get(key);
    if (value == null) {
      return usual;
    }
    try {
      int number = Integer.parseInt(value);
      if (possible.test(number)) {
        return number;
      }
    } catch (NumberFormatException e) {
      // Told below, like any other value that cannot be.
    }
    Log.warn(key + "=" + value + " is not " + what + "; using " + usual);
    return usual;
  }
}
