package dev.underspan.runtime.doctor;

import dev.underspan.host.Finding;
import dev.underspan.host.ProbeException;
import dev.underspan.host.ProbeTrial;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The command: looks, tries, and tells. It leaves nothing behind. */
public final class Doctor {
  /** A JVM here would be at level kernel or sidecar. */
  public static final int GOOD = 0;

  /** It would be at level process. */
  public static final int PROCESS_ONLY = 1;

  /** The command line was not understood. */
  public static final int USAGE = 2;

  private static final String HELP =
      """
      java -jar underspan.jar doctor [--json]

        What a JVM started here, by this user and in this container, would get from the agent,
        and what would give it more. Loads and attaches each BPF program, and takes it away again.

        --json   the same for programs; docs/doctor.schema.json describes it
        --help   this

      Exit code: 0 level kernel or sidecar, 1 level process only, 2 not understood
      """;

  private Doctor() {}

  /**
   * Runs it.
   *
   * @param arguments those behind "doctor"
   * @return the exit code
   */
  public static int run(
      Settings settings, List<String> arguments, PrintStream out, PrintStream err) {
    boolean json = false;
    for (String argument : arguments) {
      switch (argument) {
        case "--json" -> json = true;
        case "--help", "-h" -> {
          out.print(HELP);
          return GOOD;
        }
        default -> {
          err.println("underspan doctor: no option '" + argument + "'");
          err.print(HELP);
          return USAGE;
        }
      }
    }
    Report report = examine(settings);
    String text = json ? Json.of(report) : Page.of(report);
    out.writeBytes(text.getBytes(StandardCharsets.UTF_8));
    out.flush();
    return report.level().equals("process") ? PROCESS_ONLY : GOOD;
  }

  private static Report examine(Settings settings) {
    ProbeTrial trial = null;
    Finding untried = Finding.unknown("");
    try {
      trial = ProbeTrial.run();
    } catch (ProbeException e) {
      untried = Finding.no(String.valueOf(e.getMessage()));
    } catch (RuntimeException | LinkageError e) {
      untried = Finding.unknown(ProbeException.nativePart(e));
    }
    Features features = Features.look(settings, trial);
    Report.Kernel kernel = KernelFacts.look();
    Report.Self process = ProcessFacts.look();
    String level = features.level();
    Report.Sidecar sidecar = features.sidecar();
    Mounts mounts = new Mounts();
    List<ProbeTrial.Program> programs = trial == null ? List.of() : trial.programs();
    List<ProbeTrial.BpfMap> maps = trial == null ? List.of() : trial.maps();
    return new Report(
        Report.FORMAT,
        settings.version(),
        level,
        Remedies.of(level, settings, features.found(), kernel, process, sidecar),
        kernel,
        process,
        List.of(
            mounts.report("sysfs"),
            mounts.report("tracefs"),
            mounts.report("bpf"),
            mounts.report("securityfs")),
        Cgroups.look(mounts),
        features.found(),
        trial == null ? ProbeTrial.untried(untried) : trial.sets(),
        programs,
        maps,
        Safety.of(programs, maps),
        JvmFacts.look(programs),
        sidecar);
  }
}
