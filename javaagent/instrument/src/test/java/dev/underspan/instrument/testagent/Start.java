package dev.underspan.instrument.testagent;

import dev.underspan.instrument.BootstrapInjector;
import java.lang.instrument.Instrumentation;

/** Runs in the agent's loader; must not refer to the injected classes, lest it link them early. */
public final class Start {
  private Start() {}

  public static void start(Instrumentation instrumentation, String mode) throws Exception {
    BootstrapInjector.inject(instrumentation, "");
    StartAfterInjection.start(instrumentation, mode);
  }
}
