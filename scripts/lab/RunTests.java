import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectMethod;

import java.util.HashMap;
import java.util.Map;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.support.descriptor.ClassSource;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs test classes, or methods as Class#method, and tells each as soon as it has ended, since the
 * machine may not live to the end: {@code RESULT group test state seconds reason}, with tabs between;
 * the stack trace of a failure follows.
 */
public final class RunTests implements TestExecutionListener {
  private final String group;
  private final Map<String, Long> begun = new HashMap<>();

  private RunTests(String group) {
    this.group = group;
  }

  public static void main(String[] args) {
    LauncherDiscoveryRequestBuilder request = LauncherDiscoveryRequestBuilder.request();
    for (int i = 1; i < args.length; i++) {
      request.selectors(args[i].contains("#") ? selectMethod(args[i]) : selectClass(args[i]));
    }
    LauncherDiscoveryRequest tests = request.build();
    LauncherFactory.create().execute(tests, new RunTests(args[0]));
    System.exit(0); // whatever threads a test that failed has left
  }

  @Override
  public void executionStarted(TestIdentifier test) {
    begun.put(test.getUniqueId(), System.nanoTime());
  }

  @Override
  public void executionFinished(TestIdentifier test, TestExecutionResult result) {
    Throwable why = result.getThrowable().orElse(null);
    if (test.isTest() || why != null) { // a whole class: what all its tests need is missing
      String state =
          switch (result.getStatus()) {
            case SUCCESSFUL -> "pass";
            case ABORTED -> "skip";
            case FAILED -> "FAIL";
          };
      tell(test, state, why == null ? "" : String.valueOf(why.getMessage()));
      if (result.getStatus() == TestExecutionResult.Status.FAILED && why != null) {
        why.printStackTrace(System.out);
      }
    }
  }

  @Override
  public void executionSkipped(TestIdentifier test, String reason) {
    tell(test, "skip", reason);
  }

  private void tell(TestIdentifier test, String state, String reason) {
    long start = begun.getOrDefault(test.getUniqueId(), System.nanoTime());
    String line = reason.strip().replaceAll("\\s+", " ").replaceFirst("^Assumption failed: ", "");
    System.out.printf(
        "RESULT\t%s\t%s\t%s\t%.1f\t%s%n",
        group,
        name(test),
        state,
        (System.nanoTime() - start) / 1e9,
        line.length() > 300 ? line.substring(0, 300) + " ..." : line);
  }

  /** Class.method, of one with parameters with its number. */
  private static String name(TestIdentifier test) {
    String name =
        test.getSource()
            .map(
                source -> {
                  if (source instanceof MethodSource method) {
                    return simple(method.getClassName()) + "." + method.getMethodName();
                  }
                  return source instanceof ClassSource type
                      ? simple(type.getClassName()) + ".*"
                      : "";
                })
            .filter(known -> !known.isEmpty())
            .orElse(test.getDisplayName());
    String id = test.getUniqueIdObject().getLastSegment().getValue();
    return id.startsWith("#") ? name + id : name;
  }

  private static String simple(String className) {
    return className.substring(className.lastIndexOf('.') + 1);
  }
}
