package dev.underspan.runtime.doctor;

import dev.underspan.host.ProbeTrial;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** Why programs of ours in the kernel are safe, in plain words and with the numbers of this one. */
final class Safety {
  private static final Map<String, String> MEANINGS =
      Map.ofEntries(
          Map.entry("map_lookup_elem", "finds an element of a map of ours"),
          Map.entry("map_update_elem", "sets an element of a map of ours"),
          Map.entry("map_delete_elem", "removes an element of a map of ours"),
          Map.entry("map_push_elem", "gives a slot of the ledger back"),
          Map.entry("map_pop_elem", "takes a free slot of the ledger"),
          Map.entry("ktime_get_ns", "reads the clock"),
          Map.entry("get_current_pid_tgid", "tells which thread is running"),
          Map.entry("get_current_task_btf", "tells which thread is running"),
          Map.entry("get_current_comm", "reads the running thread's name"),
          Map.entry("get_ns_current_pid_tgid", "tells a thread's id as its container knows it"),
          Map.entry("get_socket_cookie", "reads a connection's number"),
          Map.entry("sk_storage_get", "finds what we noted of a connection"),
          Map.entry("sk_storage_delete", "forgets what we noted of a connection"),
          Map.entry("task_storage_get", "finds what we noted of a thread"),
          Map.entry("task_storage_delete", "forgets what we noted of a thread"),
          Map.entry("probe_read_user", "copies from the process's memory; fails on a bad address"),
          Map.entry("probe_read_kernel", "copies from the kernel's memory; fails on a bad address"),
          Map.entry("task_pt_regs", "reads the registers that a system call was made with"),
          Map.entry("skc_to_tcp_sock", "tells whether a socket is TCP, to read its statistics"),
          Map.entry("ringbuf_output", "puts an event into the process's buffer"),
          Map.entry("ringbuf_reserve", "takes room for an event in the process's buffer"),
          Map.entry("ringbuf_submit", "hands an event over"),
          Map.entry("ringbuf_discard", "gives the room of an event back"),
          Map.entry("loop", "repeats a function, a bounded number of times"));

  private Safety() {}

  static Report.Safety of(List<ProbeTrial.Program> programs, List<ProbeTrial.BpfMap> maps) {
    Map<Integer, String> helpers = new TreeMap<>();
    programs.forEach(program -> helpers.putAll(program.helpers()));
    List<Report.Helper> told = new ArrayList<>();
    helpers.forEach(
        (number, name) ->
            told.add(
                new Report.Helper(
                    number, name, MEANINGS.getOrDefault(name, "see bpf-helpers(7)"))));
    return new Report.Safety(guarantees(programs, maps), told);
  }

  private static List<String> guarantees(
      List<ProbeTrial.Program> programs, List<ProbeTrial.BpfMap> maps) {
    List<String> guarantees = new ArrayList<>();
    int most = programs.stream().mapToInt(ProbeTrial.Program::verified).max().orElse(0);
    guarantees.add(
        "They end. Before the kernel takes a program, its verifier follows every path through it;"
            + " one that might not end, or needs more than 1 000 000 steps to prove, is refused."
            + (most == 0 ? "" : format(" Ours took %,d at most.", most)));
    guarantees.add(
        "They stay in their memory. Every load and store is proven to be inside what the program"
            + " was given: its stack of 512 bytes, its maps, the event that it fills.");
    guarantees.add(
        "They only look. What a program can do besides are the kernel's functions listed here;"
            + " none writes memory of a process or the kernel's own, changes a packet or a call's"
            + " result, sends a signal or starts anything.");
    guarantees.add(
        "They go with the process, killed or not: nothing is pinned, nothing stays in the kernel.");
    if (!maps.isEmpty()) {
      long memory = maps.stream().mapToLong(map -> Math.max(0, map.memoryBytes())).sum();
      guarantees.add(
          format(
              "Their size is fixed: %d programs of %,d bytes machine code, %d maps of %.1f MB in"
                  + " all at the default settings.",
              programs.size(),
              programs.stream().mapToInt(ProbeTrial.Program::machineCodeBytes).sum(),
              maps.size(),
              memory / 1e6));
    }
    return guarantees;
  }

  private static String format(String text, Object... values) {
    return String.format(Locale.ROOT, text, values);
  }
}
