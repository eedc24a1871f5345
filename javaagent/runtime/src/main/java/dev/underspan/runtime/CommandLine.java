package dev.underspan.runtime;

import dev.underspan.runtime.doctor.Doctor;
import dev.underspan.runtime.doctor.Settings;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.List;

/** {@code java -jar underspan.jar …}. */
public final class CommandLine {
  private static final String HELP =
      """
      Underspan: the kernel under your spans

        java -javaagent:underspan.jar[=key=value,...] -jar your-service.jar
            traces the service; OTEL_* variables say where the spans go

        java -jar underspan.jar doctor [--json]
            what a service started here would get, and why
        java -jar underspan.jar sidecar [--socket PATH] [--memory MIB]
            has the rights and the programs, so that services here need none
        java -jar underspan.jar version
        java -jar underspan.jar help
      """;

  private CommandLine() {}

  /**
   * Runs a command.
   *
   * @return the exit code: 0 fine, 1 doctor: level process only, 2 not understood
   */
  public static int run(String[] args) {
    PrintStream out = System.out;
    String command = args.length == 0 ? "help" : args[0];
    switch (command) {
      case "help", "--help", "-h" -> out.print(HELP);
      case "version", "--version" -> out.println("underspan " + AgentMain.VERSION);
      case "sidecar" -> {
        return SidecarCommand.run(Arrays.asList(args).subList(1, args.length));
      }
      case "doctor" -> {
        List<String> rest = Arrays.asList(args).subList(1, args.length);
        return Doctor.run(settings(), rest, out, System.err);
      }
      default -> {
        System.err.println("underspan: no command '" + command + "'; try 'help'");
        return 2;
      }
    }
    return 0;
  }

  private static Settings settings() {
    Configuration configuration = Configuration.of(null);
    return new Settings(
        AgentMain.VERSION,
        configuration.kernel(),
        configuration.ringBytes(),
        configuration.slots(),
        configuration.sidecar());
  }
}
