package dev.underspan.runtime;

import dev.underspan.host.ProbeException;
import dev.underspan.host.Sidecar;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** {@code java -jar underspan.jar sidecar}: serves JVMs until it is ended by a signal. */
final class SidecarCommand {
  private static final String HELP =
      """
      java -jar underspan.jar sidecar [--socket PATH] [--memory MIB]

        Loads the BPF programs once, for any number of JVMs that have no rights of their own.
        They find it at the socket: /run/underspan/underspan.sock, or what --socket and their
        UNDERSPAN_SIDECAR_SOCKET say. It needs CAP_BPF and CAP_PERFMON, and must see their
        processes: the same PID namespace, or the host's. A JVM gets nothing but what is its own.

        --socket PATH   where to listen
        --memory MIB    what the maps of all JVMs may take together (1024); one takes about 6
      """;

  private SidecarCommand() {}

  /**
   * Runs it.
   *
   * @return the exit code: 0 ended by a signal, 1 the programs are not to be had here, 2 not
   *     understood
   */
  static int run(List<String> arguments) {
    Path socket = Sidecar.DEFAULT_SOCKET;
    long memory = Sidecar.DEFAULT_MEMORY;
    Iterator<String> rest = arguments.iterator();
    while (rest.hasNext()) {
      String argument = rest.next();
      if (argument.equals("--help") || argument.equals("-h")) {
        System.out.print(HELP);
        return 0;
      }
      String value = rest.hasNext() ? rest.next() : null;
      try {
        switch (argument) {
          case "--socket" -> socket = Path.of(need(value));
          case "--memory" -> memory = Math.multiplyExact(Long.parseLong(need(value)), 1L << 20);
          default -> throw new IllegalArgumentException("not known");
        }
      } catch (ArithmeticException | IllegalArgumentException e) {
        System.err.println("underspan: " + argument + ": " + e.getMessage());
        System.err.print(HELP);
        return 2;
      }
    }
    return serve(socket, memory);
  }

  private static String need(@Nullable String value) {
    if (value == null) {
      throw new IllegalArgumentException("a value is missing");
    }
    return value;
  }

  private static int serve(Path socket, long memory) {
    NativeAccess.allow();
    try {
      Sidecar sidecar = Sidecar.open(socket, memory, Log::info);
      Thread server = Thread.currentThread();
      Runtime.getRuntime()
          .addShutdownHook(
              new Thread(
                  () -> {
                    sidecar.close();
                    try {
                      server.join(2_000);
                    } catch (InterruptedException e) {
                      Thread.currentThread().interrupt();
                    }
                  }));
      String missing = sidecar.socketsMissing();
      Log.info(
          "sidecar "
              + AgentMain.VERSION
              + " listens on "
              + socket
              + (missing.isEmpty() ? "" : "; no client spans from the wire: " + missing));
      sidecar.run();
      return 0;
    } catch (ProbeException e) {
      Log.warn(String.valueOf(e.getMessage()));
      return 1;
    }
  }
}
