package dev.underspan.instrument.testagent;

import dev.underspan.instrument.BootstrapInjector;
import dev.underspan.instrument.Instrumenter;
import java.lang.instrument.Instrumentation;

/** Runs in the agent's loader. */
public final class Start {
  private Start() {}

  public static void start(Instrumentation instrumentation, String mode) throws Exception {
    BootstrapInjector.inject(instrumentation, "");
    Underspan.install(mode.equals("throw") ? ThrowingRuntime.create() : new RecordingRuntime());
    Instrumenter.install(
        instrumentation,
        Start.class.getClassLoader(),
        name -> !Boolean.getBoolean("underspan.test.off." + name));
    Instrumenter.awaitReady();
  }
}
