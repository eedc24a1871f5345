package dev.underspan.runtime.doctor;

import dev.underspan.host.Answer;
import dev.underspan.host.Finding;
import dev.underspan.host.Rights;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What to do to get more, in the words of whoever starts this. */
final class Remedies {
  private Remedies() {}

  static List<String> of(
      String level,
      Settings settings,
      Map<String, Finding> features,
      Report.Kernel kernel,
      Report.Self process,
      Report.Sidecar sidecar) {
    Set<String> remedies = new LinkedHashSet<>();
    if (!settings.kernel()) {
      remedies.add("Take underspan.kernel.enabled=false away.");
    } else if (settings.sidecar() == null && !level.equals("kernel")) {
      remedies.addAll(rights(process));
    }
    // Every message says what to do itself.
    features.forEach(
        (name, finding) -> {
          if (!finding.isYes() && remedies.isEmpty() && settings.sidecar() == null) {
            remedies.add(finding.reason() + ".");
          }
        });
    // Without type information nobody can load programs.
    boolean possible = kernel.typeInformation().answer() != Answer.NO;
    if (level.equals("process") && settings.kernel() && possible) {
      remedies.add(
          sidecar.present().isYes()
              ? "See to the sidecar at "
                  + sidecar.socket()
                  + ", which does not serve this process: "
                  + sidecar.serves().reason()
              : "Or leave the rights with a sidecar, started with CAP_BPF and CAP_PERFMON: java -jar"
                  + " underspan.jar sidecar --socket "
                  + sidecar.socket());
    }
    return List.copyOf(remedies);
  }

  private static List<String> rights(Report.Self process) {
    List<String> remedies = new ArrayList<>();
    Rights rights = Rights.ofThisProcess();
    if (Rights.ownUserNamespace()) {
      remedies.add(
          "Start it in the machine's own user namespace (a rootful container, hostUsers: true):"
              + " capabilities of another one do not count for bpf(2).");
      return remedies;
    }
    List<String> missing = rights.missing(Rights.Kind.EFFECTIVE);
    if (!missing.isEmpty()) {
      String names = String.join(" and ", missing);
      if (!process.containerHints().isEmpty()) {
        remedies.add(
            "Grant "
                + names
                + ": docker run --cap-add BPF --cap-add PERFMON, or Kubernetes'"
                + " securityContext.capabilities.add: [BPF, PERFMON] (for a user other than root"
                + " the image's entry point has to pass them on: setpriv --ambient-caps).");
      } else {
        remedies.add(
            "Grant "
                + names
                + ": AmbientCapabilities=CAP_BPF CAP_PERFMON in the systemd unit, or setpriv"
                + " --inh-caps +bpf,+perfmon --ambient-caps +bpf,+perfmon java …");
      }
    }
    if (!process.bpfCall().isYes() || !process.perfCall().isYes()) {
      if (process.seccomp().equals("filter")) {
        remedies.add(
            "Let the seccomp profile pass bpf(2) and perf_event_open(2); Docker's own does for a"
                + " container with these capabilities.");
      }
    }
    return remedies;
  }
}
