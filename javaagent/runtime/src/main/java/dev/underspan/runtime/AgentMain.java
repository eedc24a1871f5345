package dev.underspan.runtime;

import dev.underspan.instrument.BootstrapInjector;
import dev.underspan.instrument.Instrumenter;
import java.lang.instrument.Instrumentation;
import org.jspecify.annotations.Nullable;

/**
 * The agent's start on the application's thread: only the bootstrap classes and a transformer that
 * looks at names. It must not name a bootstrap class, nor a class that does: verifying it would
 * look for them before they are defined.
 */
public final class AgentMain {
  static final String VERSION = "0.1.0";

  private AgentMain() {}

  /**
   * Called by the jar's premain, reflectively, in the agent's own class loader.
   *
   * @param arguments the text behind the agent's path, or null
   */
  public static void start(@Nullable String arguments, Instrumentation instrumentation)
      throws Exception {
    Configuration configuration = Configuration.of(arguments);
    Log.verbose(configuration.debug());
    if (!configuration.enabled()) {
      Log.info("switched off by underspan.enabled");
      return;
    }
    BootstrapInjector.inject(instrumentation, "");
    AgentThreads threads = new AgentThreads();
    ClassLoader loader = AgentMain.class.getClassLoader();
    Mode mode = configuration.mode();
    Instrumenter.install(
        instrumentation,
        loader,
        name ->
            configuration.instrumentation(name)
                && (mode != Mode.STANDALONE || !name.equals("opentelemetry")));
    threads.daemon("start", () -> Startup.run(configuration, mode, threads)).start();
  }
}
