package dev.underspan.host;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/** The file of the JVM that this process runs: its USDT probes and exported symbols. */
final class Libjvm {
  private final Path path;
  private final long base;
  private final Map<String, Long> usdt;
  private final Map<String, Long> symbols;

  private Libjvm(Mapping mapping) throws IOException {
    path = Path.of(mapping.path());
    ElfFile elf = ElfFile.read(path);
    base = mapping.start() - elf.linkedAddress(mapping.offset());
    usdt = elf.usdt();
    symbols = elf.exported();
  }

  static Libjvm ofThisProcess() throws ProbeException {
    try {
      for (Mapping mapping : Mapping.executable()) {
        if (mapping.path().endsWith("/libjvm.so")) {
          return new Libjvm(mapping);
        }
      }
    } catch (IOException | RuntimeException e) {
      throw ProbeException.of("libjvm.so cannot be read: " + e);
    }
    throw ProbeException.of("no libjvm.so is mapped in this process");
  }

  Path path() {
    return path;
  }

  /** Where in the file a probe's instruction is. */
  long usdt(String provider, String name) throws ProbeException {
    Long offset = usdt.get(provider + ":" + name);
    if (offset == null || offset < 0) {
      throw ProbeException.of(
          path + " has no USDT probe " + provider + ":" + name + " (a JVM built without them)");
    }
    return offset;
  }

  /** Where an exported symbol is in this process's memory. */
  long address(String symbol) throws ProbeException {
    Long value = symbols.get(symbol);
    if (value == null || value == 0) {
      throw ProbeException.of(path + " does not export " + symbol);
    }
    return base + value;
  }
}
