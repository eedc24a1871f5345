package dev.underspan;

import java.io.File;
import java.lang.instrument.Instrumentation;
import java.lang.reflect.InvocationTargetException;
import java.net.URISyntaxException;
import org.jspecify.annotations.NullMarked;
import org.jspecify.annotations.Nullable;

/**
 * The jar's entry points. Everything else is behind {@link Inside$$Loader}, invisible to the
 * application. Whatever goes wrong is told on stderr; the application always starts.
 */
@NullMarked
public final class Agent {
  private Agent() {}

  /** Called by the JVM for {@code -javaagent:underspan.jar=arguments}. */
  public static void premain(@Nullable String arguments, Instrumentation instrumentation) {
    try {
      inside("dev.underspan.runtime.AgentMain")
          .getMethod("start", String.class, Instrumentation.class)
          .invoke(null, arguments, instrumentation);
    } catch (Throwable failure) {
      Throwable cause =
          failure instanceof InvocationTargetException && failure.getCause() != null
              ? failure.getCause()
              : failure;
      System.err.println(
          "[underspan] WARNING: the agent cannot start ("
              + cause
              + "); the application runs without tracing");
    }
  }

  /** Called by the JVM when the agent is attached to a running process. */
  public static void agentmain(@Nullable String arguments, Instrumentation instrumentation) {
    premain(arguments, instrumentation);
  }

  /** The command line; see {@code java -jar underspan.jar help}. */
  public static void main(String[] args) throws Exception {
    Object code =
        inside("dev.underspan.runtime.CommandLine")
            .getMethod("run", String[].class)
            .invoke(null, (Object) args);
    System.exit((Integer) code);
  }

  private static Class<?> inside(String name)
      throws ClassNotFoundException, URISyntaxException, java.io.IOException {
    File jar = new File(Agent.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    return new Inside$$Loader(jar).loadClass(name);
  }
}
