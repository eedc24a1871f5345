package dev.underspan.runtime.doctor;

import java.util.ArrayList;
import java.util.List;

/** What is mounted here, of /proc/self/mountinfo. */
final class Mounts {
  /**
   * A mount.
   *
   * @param root which part of the file system it shows
   * @param place where
   * @param options of the file system's, like a cgroup's controllers
   */
  record Entry(String root, String place, String type, List<String> options) {}

  private final List<Entry> entries = new ArrayList<>();

  Mounts() {
    for (String line : Proc.lines("/proc/self/mountinfo")) {
      // id parent device root place options … - type source options
      String[] halves = line.split(" - ", 2);
      String[] first = halves[0].split(" ", -1);
      String[] second = halves.length == 2 ? halves[1].split(" ", -1) : new String[0];
      if (first.length >= 5 && second.length >= 3) {
        entries.add(new Entry(first[3], first[4], second[0], List.of(second[2].split(",", -1))));
      }
    }
  }

  List<Entry> of(String type) {
    return entries.stream().filter(entry -> entry.type.equals(type)).toList();
  }

  Report.Mount report(String type) {
    return new Report.Mount(type, of(type).stream().map(Entry::place).distinct().toList());
  }
}
