package dev.underspan.runtime.doctor;

import dev.underspan.host.Answer;
import dev.underspan.host.Finding;
import dev.underspan.host.ProbeTrial;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The report as a page for people. */
final class Page {
  private static final int WIDTH = 100;
  private static final int LABEL = 16;

  private static final Map<String, String> FEATURES =
      Map.of(
          "accounts", "time accounts of threads",
          "sockets", "client spans, true start",
          "stops", "GC and other stops",
          "waits", "lock, wait and sleep apart",
          "nativeTls", "TLS of native libraries");

  private final StringBuilder out = new StringBuilder();
  private String lastReason = "";

  private Page() {}

  static String of(Report report) {
    Page page = new Page();
    page.write(report);
    return page.out.toString();
  }

  private void write(Report report) {
    out.append("Underspan ").append(report.version()).append(": a JVM started here gets\n\n");
    row("level", report.level());
    for (String remedy : report.raise()) {
      row("to get more", remedy);
    }
    out.append('\n');
    report.features().forEach(this::feature);
    kernel(report);
    process(report);
    jvm(report.jvm());
    head("sidecar");
    row("socket", report.sidecar().socket() + ": " + words(report.sidecar().serves()));
    programs(report);
    safety(report.safety());
  }

  private void feature(String name, Finding finding) {
    String what = FEATURES.getOrDefault(name, name);
    String reason = finding.reason();
    boolean again = !reason.isEmpty() && reason.equals(lastReason);
    lastReason = reason;
    out.append("  ").append(pad(what, 28));
    wrapped(again ? answer(finding) + ": the same" : words(finding), 30);
  }

  private void kernel(Report report) {
    Report.Kernel kernel = report.kernel();
    head("kernel");
    row("release", kernel.release() + ", " + kernel.machine());
    row("BTF", words(kernel.typeInformation()));
    row("lockdown", kernel.lockdown());
    row(
        "sysctl",
        "kernel.unprivileged_bpf_disabled "
            + orUnknown(kernel.unprivilegedBpfDisabled())
            + ", perf_event_paranoid "
            + orUnknown(kernel.perfEventParanoid()));
    for (Report.Mount mount : report.mounts()) {
      row(
          mount.type(),
          mount.places().isEmpty()
              ? "not mounted" + (mount.type().equals("sysfs") ? "" : "; not needed")
              : String.join(" ", mount.places()));
    }
    Report.Cgroup cgroup = report.cgroup();
    Double quota = cgroup.cpuQuota();
    row(
        "cgroup",
        cgroup.version()
            + (quota == null
                ? ", no CPU quota"
                : String.format(
                    Locale.ROOT, ", CPU quota %.2f (%s)", quota, cgroup.cpuQuotaFrom())));
  }

  private void process(Report report) {
    Report.Self process = report.process();
    head("process");
    row("user", orUnknown(process.uid()));
    process.capabilities().forEach((kind, names) -> row(kind, capabilities(names)));
    row(
        "seccomp",
        process.seccomp()
            + "; bpf(2) "
            + call(process.bpfCall())
            + ", perf_event_open(2) "
            + call(process.perfCall())
            + (process.noNewPrivileges() ? "; no new privileges" : ""));
    row("memlock", orUnknown(process.memlock()) + " (matters before Linux 5.11)");
    row(
        "namespaces",
        process.namespaces().entrySet().stream()
            .map(entry -> entry.getKey() + " " + whose(entry.getValue()))
            .collect(Collectors.joining(", ")));
    row(
        "container",
        process.containerHints().isEmpty()
            ? "nothing hints at one"
            : String.join(", ", process.containerHints()));
  }

  private static String whose(String namespace) {
    return switch (namespace) {
      case "machine" -> "the machine's";
      case "own" -> "its own";
      default -> namespace;
    };
  }

  private static String capabilities(List<String> names) {
    if (names.size() > 16 && names.contains("BPF") && names.contains("PERFMON")) {
      return names.size() + ", BPF and PERFMON among them";
    }
    return names.isEmpty() ? "none" : String.join(" ", names);
  }

  private static String call(Finding finding) {
    return switch (finding.answer()) {
      case YES -> "passes";
      case NO -> "does not (" + finding.reason() + ")";
      case UNKNOWN -> "unknown (" + finding.reason() + ")";
    };
  }

  private void jvm(Report.Jvm jvm) {
    head("jvm");
    row("version", jvm.version() + ", " + jvm.vendor());
    row("home", jvm.home());
    row("stops by USDT", words(jvm.stopProbes()));
    row("virtual threads", words(jvm.virtualThreads()));
    row("agents", words(jvm.agents()) + "; attach " + words(jvm.attach()));
    jvm.options().forEach(this::row);
    row("other agents", jvm.otherAgents().isEmpty() ? "none" : String.join(" ", jvm.otherAgents()));
  }

  private void programs(Report report) {
    head("sets of programs: the first that the kernel takes is used");
    report.sets().forEach((name, finding) -> row(name, words(finding)));
    head("programs: each loaded, attached alone, and taken away again");
    if (report.programs().isEmpty()) {
      return;
    }
    line("program", "attached to", "", "compiled", "verified", "kernel functions");
    Set<String> reasons = new LinkedHashSet<>();
    for (ProbeTrial.Program program : report.programs()) {
      Finding attached = program.attached();
      if (!attached.isYes()) {
        reasons.add(attached.reason());
      }
      line(
          program.name(),
          program.target(),
          attached.answer() == Answer.UNKNOWN ? "?" : answer(attached),
          Integer.toString(program.instructions()),
          program.verified() == 0 ? "" : Integer.toString(program.verified()),
          program.helpers().keySet().stream()
              .map(String::valueOf)
              .collect(Collectors.joining(" ")));
    }
    reasons.forEach(reason -> row("reason", reason));
    if (!report.maps().isEmpty()) {
      row(
          "maps",
          report.maps().stream()
              .map(
                  map ->
                      map.name()
                          + " "
                          + (map.memoryBytes() < 0 ? "?" : (map.memoryBytes() + 1023) / 1024)
                          + " KiB")
              .collect(Collectors.joining(", ")));
    }
  }

  private void line(
      String name, String target, String answer, String size, String verified, String helpers) {
    out.append("  ")
        .append(pad(name, 19))
        .append(pad(target, 27))
        .append(pad(answer, 4))
        .append(String.format(Locale.ROOT, "%8s %8s  ", size, verified));
    wrapped(helpers, 69);
  }

  private void safety(Report.Safety safety) {
    head("why they are safe");
    for (String guarantee : safety.guarantees()) {
      out.append("  ");
      wrapped(guarantee, 4);
    }
    for (Report.Helper helper : safety.helpers()) {
      out.append(
          String.format(
              Locale.ROOT, "  %5d %-22s %s%n", helper.number(), helper.name(), helper.meaning()));
    }
  }

  private void head(String title) {
    out.append('\n').append(title.toUpperCase(Locale.ROOT)).append('\n');
  }

  private void row(String label, String value) {
    out.append("  ").append(pad(label, LABEL));
    wrapped(value, LABEL + 2);
  }

  /** Continues the line, and later ones from a column on. */
  private void wrapped(String text, int column) {
    int at = out.length() - out.lastIndexOf("\n") - 1;
    boolean first = true;
    for (String word : text.replace("\n", " ").split(" +", -1)) {
      if (!first && at + 1 + word.length() > WIDTH) {
        out.append('\n').append(" ".repeat(column));
        at = column;
      } else if (!first) {
        out.append(' ');
        at++;
      }
      out.append(word);
      at += word.length();
      first = false;
    }
    while (out.charAt(out.length() - 1) == ' ') {
      out.setLength(out.length() - 1);
    }
    out.append('\n');
  }

  private static String words(Finding finding) {
    String answer = answer(finding);
    return finding.reason().isEmpty() ? answer : answer + ": " + finding.reason();
  }

  private static String answer(Finding finding) {
    return switch (finding.answer()) {
      case YES -> "yes";
      case NO -> "no";
      case UNKNOWN -> "could not tell";
    };
  }

  private static String orUnknown(@Nullable Object value) {
    return value == null ? "unknown" : value.toString();
  }

  private static String pad(String text, int width) {
    return text.length() >= width ? text + " " : text + " ".repeat(width - text.length());
  }
}
