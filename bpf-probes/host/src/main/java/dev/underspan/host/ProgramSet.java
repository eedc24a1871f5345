package dev.underspan.host;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * A set of programs, of which the kernel takes all or nothing, and the same facts in another way
 * than the others. In the order of preference: the first that the kernel takes is used.
 */
enum ProgramSet {
  /** Accounts by the scheduler's tracepoints, sockets by those that came with Linux 6.3. */
  TRACING("tracepoints"),

  /** The same, sockets where functions of the kernel begin and return. */
  FUNCTIONS("functions"),

  /** Accounts alone. */
  LEDGER("");

  private final String means;

  ProgramSet(String means) {
    this.means = means;
  }

  /** All; those of a property alone, so that tests can try a lesser one on a kernel with all. */
  static List<ProgramSet> preferences() {
    String some = System.getProperty("underspan.programs");
    return some == null
        ? List.of(values())
        : Arrays.stream(some.split(",", -1))
            .map(name -> valueOf(name.toUpperCase(Locale.ROOT)))
            .toList();
  }

  /** As its files are called. */
  String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** By what it sees sockets; empty if it does not. */
  String means() {
    return means;
  }

  boolean hasSockets() {
    return !means.isEmpty();
  }
}
