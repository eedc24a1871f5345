package dev.underspan.runtime.doctor;

import dev.underspan.host.Finding;
import dev.underspan.host.KernelProbes;
import dev.underspan.host.ProbeException;
import dev.underspan.host.ProbeTrial;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the agent itself would get: it is served as the agent would be, by the kernel or else by the
 * sidecar, for a moment.
 *
 * @param level kernel, sidecar or process
 * @param found by name: accounts, sockets, stops, waits, nativeTls
 */
record Features(String level, Map<String, Finding> found, Report.Sidecar sidecar) {
  static final List<String> NAMES = List.of("accounts", "sockets", "stops", "waits", "nativeTls");

  /** A way to be served. */
  private interface Opening {
    KernelProbes open() throws ProbeException;
  }

  static Features look(Settings settings, @Nullable ProbeTrial trial) {
    Path socket = settings.socket();
    Map<String, Finding> own;
    if (!settings.kernel()) {
      own = all(Finding.no("switched off by underspan.kernel.enabled"));
    } else if (settings.sidecar() != null) {
      own = all(Finding.no("a sidecar at " + socket + " was told, so its own rights are not used"));
    } else {
      own = served(() -> KernelProbes.open(settings.ringBytes(), settings.slots()), trial);
    }
    Finding present = Files.exists(socket) ? Finding.yes() : Finding.no("no such file");
    Map<String, Finding> lent =
        present.isYes()
            ? served(
                () -> KernelProbes.connect(socket, settings.ringBytes(), settings.slots()), trial)
            : all(present);
    Report.Sidecar sidecar = new Report.Sidecar(socket.toString(), present, accounts(lent));
    if (accounts(own).isYes()) {
      return new Features("kernel", own, sidecar);
    }
    return settings.kernel() && accounts(lent).isYes()
        ? new Features("sidecar", lent, sidecar)
        : new Features("process", own, sidecar);
  }

  private static Map<String, Finding> served(Opening opening, @Nullable ProbeTrial trial) {
    try (KernelProbes probes = opening.open()) {
      Map<String, Finding> found = new LinkedHashMap<>();
      found.put("accounts", Finding.yes());
      found.put("sockets", yesUnless(probes.socketsMissing()));
      found.put("stops", yesUnless(probes.safepointsMissing()));
      found.put("waits", trial == null ? Finding.unknown("not tried") : trial.monitors());
      found.put("nativeTls", nativeTls(probes));
      return found;
    } catch (ProbeException e) {
      return all(Finding.of(e));
    } catch (RuntimeException | LinkageError e) {
      return all(Finding.unknown(ProbeException.nativePart(e)));
    }
  }

  private static Map<String, Finding> all(Finding why) {
    Map<String, Finding> found = new LinkedHashMap<>();
    NAMES.forEach(name -> found.put(name, why));
    return found;
  }

  private static Finding yesUnless(@Nullable ProbeException problem) {
    return problem == null ? Finding.yes() : Finding.of(problem);
  }

  private static Finding nativeTls(KernelProbes probes) {
    if (probes.socketsMissing() != null) {
      return Finding.no("needs sockets");
    }
    try {
      probes.watchTlsLibraries().close();
      return Finding.yes();
    } catch (ProbeException e) {
      return Finding.of(e);
    }
  }

  private static Finding accounts(Map<String, Finding> found) {
    return found.getOrDefault("accounts", Finding.unknown("not tried"));
  }
}
