package dev.underspan.host;

import java.nio.ByteBuffer;

/**
 * What the kernel says of a loaded program.
 *
 * @param translated bytes of its instructions as the kernel rewrote them
 * @param compiled bytes of machine code; 0: it is interpreted
 * @param verified how many instructions the verifier followed, over all paths; 0 before Linux 5.16
 */
record ProgramInfo(int translated, int compiled, int verified) {
  /** Offsets: struct bpf_prog_info in linux/bpf.h. */
  static ProgramInfo of(int program) {
    ByteBuffer info = Programs.info(program, 232);
    return new ProgramInfo(info.getInt(20), info.getInt(16), info.getInt(216));
  }
}
