package dev.underspan.instrument.testagent;

import java.io.File;
import java.lang.instrument.Instrumentation;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.List;

/** The only class of the test agent on the class path; the rest lives in a loader of its own. */
public final class AgentMain {
  private AgentMain() {}

  /** {@code argument}: record or throw; a comma; the agent's class path. */
  public static void premain(String argument, Instrumentation instrumentation) throws Exception {
    String[] parts = argument.split(",", 2);
    List<URL> urls = new ArrayList<>();
    for (String entry : parts[1].split(File.pathSeparator)) {
      urls.add(new File(entry).toURI().toURL());
    }
    ClassLoader loader =
        new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
    Class.forName("dev.underspan.instrument.testagent.Start", true, loader)
        .getMethod("start", Instrumentation.class, String.class)
        .invoke(null, instrumentation, parts[0]);
  }
}
