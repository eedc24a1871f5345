package dev.underspan.instrument;

import java.lang.instrument.Instrumentation;
import java.util.function.Predicate;

/** Entry point of the module. */
public final class Instrumenter {
  private Instrumenter() {}

  /**
   * Registers the transformer and returns at once; loaded JDK classes follow on a daemon thread.
   * Call {@link BootstrapInjector#inject} first.
   *
   * @param agentLoader finds ByteBuddy and the advice classes
   * @param enabled asked with the name of each instrumentation
   */
  public static void install(
      Instrumentation instrumentation, ClassLoader agentLoader, Predicate<String> enabled) {
    instrumentation.addTransformer(new LazyTransformer(agentLoader, enabled), true);
  }
}
