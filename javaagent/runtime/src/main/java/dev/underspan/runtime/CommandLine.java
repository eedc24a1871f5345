package dev.underspan.runtime;

import dev.underspan.host.KernelProbes;
import dev.underspan.host.ProbeException;
import java.io.PrintStream;
import java.util.Arrays;

/** {@code java -jar underspan.jar …}. */
public final class CommandLine {
  private static final String HELP =
      """
      Underspan: the kernel under your spans

        java -javaagent:underspan.jar[=key=value,...] -jar your-service.jar
            traces the service; OTEL_* variables say where the spans go

        java -jar underspan.jar doctor     what a service started here would get, and why
        java -jar underspan.jar sidecar [--socket PATH] [--memory MIB]
            has the rights and the programs, so that services here need none
        java -jar underspan.jar version
        java -jar underspan.jar help
      """;

  private CommandLine() {}

  /**
   * Runs a command.
   *
   * @return the exit code: 0 fine, 1 the kernel side is not to be had here, 2 not understood
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
        return doctor(out);
      }
      default -> {
        System.err.println("underspan: no command '" + command + "'; try 'help'");
        return 2;
      }
    }
    return 0;
  }

  private static int doctor(PrintStream out) {
    out.println("kernel   " + System.getProperty("os.version"));
    out.println(
        "jvm      "
            + System.getProperty("java.vm.name")
            + " "
            + System.getProperty("java.vm.version"));
    try (KernelProbes probes =
        KernelProbes.open(KernelProbes.DEFAULT_RING_BYTES, KernelProbes.DEFAULT_SLOTS)) {
      ProbeException sockets = probes.socketsMissing();
      out.println("ledger   yes");
      out.println("sockets  " + (sockets == null ? "yes" : "no: " + sockets.getMessage()));
      ProbeException stops = probes.safepointsMissing();
      out.println("stops    " + (stops == null ? "yes" : "no: " + stops.getMessage()));
      out.println("level    kernel");
      return 0;
    } catch (ProbeException e) {
      out.println("ledger   no: " + e.getMessage());
      out.println("level    process");
      return 1;
    }
  }
}
