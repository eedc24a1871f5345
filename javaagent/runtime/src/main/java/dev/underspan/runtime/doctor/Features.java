package dev.underspan.runtime.doctor;

import dev.underspan.host.Finding;
import dev.underspan.host.KernelProbes;
import dev.underspan.host.ProbeException;
import dev.underspan.host.ProbeTrial;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the agent itself would get: the kernel side is opened as the agent opens it, and closed.
 *
 * @param found by name: accounts, sockets, stops, waits, nativeTls
 */
record Features(Map<String, Finding> found) {
  static final List<String> NAMES = List.of("accounts", "sockets", "stops", "waits", "nativeTls");

  static Features look(Settings settings, @Nullable ProbeTrial trial) {
    if (!settings.kernel()) {
      return none(Finding.no("switched off by underspan.kernel.enabled"));
    }
    try (KernelProbes probes = KernelProbes.open(settings.ringBytes(), settings.slots())) {
      Map<String, Finding> found = new LinkedHashMap<>();
      found.put("accounts", Finding.yes());
      found.put("sockets", yesUnless(probes.socketsMissing()));
      found.put("stops", yesUnless(probes.safepointsMissing()));
      found.put("waits", trial == null ? Finding.unknown("not tried") : trial.monitors());
      found.put("nativeTls", nativeTls(probes));
      return new Features(found);
    } catch (ProbeException e) {
      return none(Finding.of(e));
    } catch (RuntimeException | LinkageError e) {
      return none(Finding.unknown(ProbeException.nativePart(e)));
    }
  }

  private static Features none(Finding why) {
    Map<String, Finding> found = new LinkedHashMap<>();
    NAMES.forEach(name -> found.put(name, why));
    return new Features(found);
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

  /** Whether a JVM would be at level kernel. */
  boolean kernel() {
    Finding accounts = found.get("accounts");
    return accounts != null && accounts.isYes();
  }
}
