package dev.underspan.runtime.doctor;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Control groups of this process, and the smallest CPU quota on the way up. */
final class Cgroups {
  private Cgroups() {}

  static Report.Cgroup look(Mounts mounts) {
    List<String> memberships = Proc.lines("/proc/self/cgroup");
    List<Mounts.Entry> first = mounts.of("cgroup");
    List<Mounts.Entry> second = mounts.of("cgroup2");
    String version =
        first.isEmpty()
            ? second.isEmpty() ? (memberships.isEmpty() ? "unknown" : "none") : "v2"
            : second.isEmpty() ? "v1" : "both";
    Quota quota = null;
    for (String membership : memberships) {
      // number:controllers:path
      String[] fields = membership.split(":", 3);
      if (fields.length < 3) {
        continue;
      }
      if (fields[1].isEmpty()) {
        quota = smaller(quota, upFrom(second, fields[2]));
      } else if (List.of(fields[1].split(",", -1)).contains("cpu")) {
        quota =
            smaller(
                quota,
                upFrom(
                    first.stream().filter(mount -> mount.options().contains("cpu")).toList(),
                    fields[2]));
      }
    }
    return new Report.Cgroup(
        version,
        quota == null ? null : quota.processors,
        quota == null ? null : quota.file.toString());
  }

  private record Quota(double processors, Path file) {}

  private static @Nullable Quota smaller(@Nullable Quota a, @Nullable Quota b) {
    if (a == null || b == null) {
      return a == null ? b : a;
    }
    return b.processors < a.processors ? b : a;
  }

  private static @Nullable Quota upFrom(List<Mounts.Entry> mounts, String path) {
    if (mounts.isEmpty()) {
      return null;
    }
    Mounts.Entry mount = mounts.get(0);
    Path top = Path.of(mount.place());
    // A container may see its own group as the root of the mount.
    String below = path.startsWith(mount.root()) ? path.substring(mount.root().length()) : "";
    Path group = top.resolve(below.replaceFirst("^/+", "")).normalize();
    if (!group.startsWith(top) || !Files.isDirectory(group)) {
      group = top;
    }
    Quota quota = null;
    for (Path at = group; at != null && at.startsWith(top); at = at.getParent()) {
      quota = smaller(quota, of(at));
    }
    return quota;
  }

  private static @Nullable Quota of(Path group) {
    String second = Proc.text(group.resolve("cpu.max").toString());
    if (second != null) {
      String[] fields = second.split(" ", 2); // "max 100000" or "50000 100000", µs
      return fields.length == 2 ? quota(fields[0], fields[1], group.resolve("cpu.max")) : null;
    }
    String quota = Proc.text(group.resolve("cpu.cfs_quota_us").toString());
    String period = Proc.text(group.resolve("cpu.cfs_period_us").toString());
    return quota == null || period == null
        ? null
        : quota(quota, period, group.resolve("cpu.cfs_quota_us"));
  }

  private static @Nullable Quota quota(String quota, String period, Path file) {
    try {
      double allowed = Double.parseDouble(quota);
      return allowed > 0 ? new Quota(allowed / Double.parseDouble(period), file) : null;
    } catch (NumberFormatException e) {
      return null; // "max"
    }
  }
}
