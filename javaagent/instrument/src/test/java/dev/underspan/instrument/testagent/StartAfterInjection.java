package dev.underspan.instrument.testagent;

import dev.underspan.instrument.Instrumenter;
import java.lang.instrument.Instrumentation;

/** What needs the injected classes. */
final class StartAfterInjection {
  private StartAfterInjection() {}

  static void start(Instrumentation instrumentation, String mode) throws Exception {
    Underspan.install(mode.equals("throw") ? ThrowingRuntime.create() : new RecordingRuntime());
    Instrumenter.install(instrumentation, StartAfterInjection.class.getClassLoader(), name -> true);
    Instrumenter.awaitReady();
  }
}
