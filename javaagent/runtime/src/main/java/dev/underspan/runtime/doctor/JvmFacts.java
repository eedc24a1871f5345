package dev.underspan.runtime.doctor;

import dev.underspan.host.Answer;
import dev.underspan.host.Finding;
import dev.underspan.host.ProbeTrial;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The JVM that runs this; a service's may be another one, started by other means. */
final class JvmFacts {
  /** Variables that a JVM, or its launcher, takes options from. */
  private static final List<String> VARIABLES =
      List.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS");

  private static final int VIRTUAL_THREADS = 21;

  private JvmFacts() {}

  static Report.Jvm look(List<ProbeTrial.Program> programs) {
    Map<String, String> options = new LinkedHashMap<>();
    List<String> agents = new ArrayList<>();
    for (String variable : VARIABLES) {
      String value = System.getenv(variable);
      if (value != null) {
        options.put(variable, value);
        agents(List.of(value.trim().split("\\s+", -1)), agents);
      }
    }
    agents(arguments(), agents);
    int feature = Runtime.version().feature();
    return new Report.Jvm(
        System.getProperty("java.home", ""),
        System.getProperty("java.vm.version", ""),
        System.getProperty("java.vm.name", "") + ", " + System.getProperty("java.vendor", ""),
        stopProbes(programs),
        feature >= VIRTUAL_THREADS
            ? Finding.yes()
            : Finding.no("Java " + feature + "; they came with " + VIRTUAL_THREADS),
        ModuleLayer.boot().findModule("java.instrument").isPresent()
            ? Finding.yes()
            : Finding.no("this runtime image lacks the module java.instrument"),
        attach(),
        options,
        agents);
  }

  private static void agents(List<String> options, List<String> into) {
    for (String option : options) {
      boolean ours = option.startsWith("-javaagent:") && option.contains("underspan");
      if (option.matches("-(javaagent|agentpath|agentlib):.*") && !ours && !into.contains(option)) {
        into.add(option);
      }
    }
  }

  private static List<String> arguments() {
    try {
      return ManagementFactory.getRuntimeMXBean().getInputArguments();
    } catch (LinkageError | RuntimeException e) {
      return List.of(); // a runtime image without java.management
    }
  }

  /** What the trial of their programs said. */
  private static Finding stopProbes(List<ProbeTrial.Program> programs) {
    Finding worst = Finding.unknown("not tried");
    for (ProbeTrial.Program program : programs) {
      if (program.name().startsWith("on_safepoint_")) {
        worst = program.attached();
        if (worst.answer() != Answer.YES) {
          return worst;
        }
      }
    }
    return worst;
  }

  private static Finding attach() {
    String disabled = flag("DisableAttachMechanism");
    String dynamic = flag("EnableDynamicAgentLoading");
    if ("true".equals(disabled)) {
      return Finding.no("-XX:+DisableAttachMechanism");
    }
    if ("false".equals(dynamic)) {
      return Finding.no("-XX:-EnableDynamicAgentLoading");
    }
    return disabled == null ? Finding.unknown("the JVM does not tell") : Finding.yes();
  }

  private static @Nullable String flag(String name) {
    try {
      return ManagementFactory.getPlatformMXBean(com.sun.management.HotSpotDiagnosticMXBean.class)
          .getVMOption(name)
          .getValue();
    } catch (LinkageError | RuntimeException e) {
      return null; // not HotSpot, or a JVM without this flag
    }
  }
}
