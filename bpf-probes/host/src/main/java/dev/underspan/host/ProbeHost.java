package dev.underspan.host;

import dev.underspan.abi.Ledger;
import java.nio.file.Path;

/** Who has the programs that serve this process: the process itself, or a sidecar. */
interface ProbeHost extends AutoCloseable {
  /**
   * Attaches an uprobe program to a place in a file, for this process only.
   *
   * @param fileOffset of the instruction
   * @param onReturn the place is a function's beginning, and its return is wanted
   * @return by which {@link #detachUprobe} knows it
   */
  int attachUprobe(String program, Path file, long fileOffset, boolean onReturn)
      throws ProbeException;

  /** Undoes one {@link #attachUprobe}; nothing for a negative number. */
  void detachUprobe(int uprobe);

  /**
   * Enrols the calling thread.
   *
   * @param agent true for a thread of the agent: neither it nor the threads it starts are observed
   * @return its slot, or -1 for an agent thread and when it can have none
   */
  int enrol(Ledger ledger, boolean agent) throws ProbeException;

  /** Makes sockets known that are older than the programs; what is no socket is passed over. */
  void adopt(Iterable<Integer> descriptors) throws ProbeException;

  @Override
  void close();
}
