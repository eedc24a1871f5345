package dev.underspan.host;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;

/**
 * The dynamic linker of this process.
 *
 * @param path its file
 * @param mapped where in the file is the empty function that it calls, for debuggers, when it has
 *     mapped or is about to unmap libraries
 */
record DynamicLinker(Path path, long mapped) {
  /** An entry of /proc/self/auxv: where the dynamic linker is. */
  private static final long AT_BASE = 7;

  static final String MAPPED = "_dl_debug_state";

  static DynamicLinker ofThisProcess() throws ProbeException {
    try {
      long base = base();
      for (Mapping mapping : Mapping.executable()) {
        // What can be executed is not the first part of the file.
        if (base != 0 && mapping.start() - mapping.offset() == base) {
          Path path = mapping.openable();
          Long place = ElfFile.read(path).functions(Set.of(MAPPED)).get(MAPPED);
          if (place == null) {
            throw ProbeException.of("the dynamic linker " + path + " has no " + MAPPED);
          }
          return new DynamicLinker(path, place);
        }
      }
      throw ProbeException.of("this process has no dynamic linker");
    } catch (IOException | RuntimeException e) {
      throw ProbeException.of("the dynamic linker cannot be read: " + e);
    }
  }

  private static long base() throws IOException {
    ByteBuffer entries =
        ByteBuffer.wrap(Files.readAllBytes(Path.of("/proc/self/auxv")))
            .order(ByteOrder.nativeOrder());
    while (entries.remaining() >= 16) {
      long type = entries.getLong();
      long value = entries.getLong();
      if (type == AT_BASE) {
        return value;
      }
    }
    return 0;
  }
}
