package dev.underspan.host;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * A set of programs, of which the kernel takes all or nothing, and the same facts in another way
 * than the others. In the order of preference: the first that the kernel takes is used.
 */
enum ProgramSet {
  /**
   * As the next, and what may be left out while a run of it is interrupted has a second program,
   * which tells what the first did not: for kernels that take the processor from programs on
   * tracepoints.
   */
  TWICE("tracepoints, each program twice"),

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

  /**
   * All that this kernel needs; those of a property alone, so that tests can try another one on a
   * kernel with all.
   */
  static List<ProgramSet> preferences() {
    String some = System.getProperty("underspan.programs");
    return some == null
        ? Arrays.stream(values()).filter(ProgramSet::isNeeded).toList()
        : Arrays.stream(some.split(",", -1))
            .map(name -> valueOf(name.toUpperCase(Locale.ROOT)))
            .toList();
  }

  /** False if the running kernel gets all that it tells from the next one, too. */
  boolean isNeeded() {
    return this != TWICE || interruptsPrograms(System.getProperty("os.version"));
  }

  /**
   * Whether a kernel may take the processor from a program on a tracepoint: none did before 7.0,
   * whose commit a46023d5616e guards tracepoints by SRCU in place of keeping the processor.
   *
   * @param release as uname has it
   */
  static boolean interruptsPrograms(String release) {
    String major = release.replaceAll("\\D.*", "");
    return !major.isEmpty() && major.length() < 6 && Integer.parseInt(major) >= 7;
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
