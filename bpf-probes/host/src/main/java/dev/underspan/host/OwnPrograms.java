package dev.underspan.host;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/** The programs are this process's own, and serve it alone. */
final class OwnPrograms implements ProbeHost {
  static final int NUMBER = 1;

  private final Programs programs;
  private final ThreadLocal<ByteBuffer> enrolArguments =
      ThreadLocal.withInitial(() -> Native.allocate(Layout.EnrolArgs.SIZE));

  /** The calling thread becomes one of the agent's own, as do threads it starts. */
  OwnPrograms(Programs programs, ProcessMaps maps, int slots) throws ProbeException {
    this.programs = programs;
    programs.put(NUMBER, maps, slots);
    programs.enrol(true, NUMBER, enrolArguments.get());
  }

  Programs programs() {
    return programs;
  }

  @Override
  public int attachUprobe(String program, Path file, long fileOffset, boolean onReturn)
      throws ProbeException {
    return programs
        .skeleton()
        .openUprobe(program, ProcessHandle.current().pid(), file.toString(), fileOffset, onReturn);
  }

  @Override
  public void detachUprobe(int uprobe) {
    Native.close(uprobe);
  }

  @Override
  public int enrol(Ledger ledger, boolean agent) throws ProbeException {
    return programs.enrol(agent, 0, enrolArguments.get());
  }

  @Override
  public void adopt(Iterable<Integer> descriptors) {
    descriptors.forEach(fd -> programs.adopt(fd, NUMBER));
  }

  @Override
  public void close() {
    programs.close();
  }
}
