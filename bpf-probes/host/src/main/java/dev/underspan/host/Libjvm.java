package dev.underspan.host;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The file of the JVM that this process runs, as ELF (System V ABI, chapters 4 and 5): its USDT
 * probes (notes of SystemTap, "UserSpaceProbeImplementation") and exported symbols.
 */
final class Libjvm {
  private static final int SHT_NOTE = 7;
  private static final int SHT_DYNSYM = 11;
  private static final int PT_LOAD = 1;
  private static final int PF_X = 1;
  private static final long PAGE_MASK = -4096L;
  private static final int STAPSDT = 3;

  private final Path path;
  private final long base;
  private final ByteBuffer elf;
  private final Map<String, Long> usdt = new HashMap<>();
  private final Map<String, Long> symbols = new HashMap<>();

  private Libjvm(Path path, long base, ByteBuffer elf) {
    this.path = path;
    this.base = base;
    this.elf = elf;
  }

  /**
   * Finds it among the mappings, by the one that can be executed: others may be of whoever reads
   * the file, like us.
   */
  static Libjvm ofThisProcess() throws ProbeException {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/maps"))) {
        int at = line.indexOf('/');
        // start-end perms offset device inode path
        String[] fields = line.split(" +");
        if (at > 0 && line.endsWith("/libjvm.so") && fields[1].indexOf('x') >= 0) {
          long start = Long.parseUnsignedLong(line.substring(0, line.indexOf('-')), 16);
          return read(Path.of(line.substring(at)), start, Long.parseUnsignedLong(fields[2], 16));
        }
      }
    } catch (IOException | RuntimeException e) {
      throw ProbeException.of("libjvm.so cannot be read: " + e);
    }
    throw ProbeException.of("no libjvm.so is mapped in this process");
  }

  /**
   * Reads the file.
   *
   * @param start where a part that can be executed is mapped
   * @param offset what part of the file that is
   */
  private static Libjvm read(Path path, long start, long offset)
      throws IOException, ProbeException {
    try (FileChannel channel = FileChannel.open(path)) {
      ByteBuffer elf =
          channel
              .map(FileChannel.MapMode.READ_ONLY, 0, channel.size())
              .order(ByteOrder.nativeOrder());
      if (elf.getInt(0) != (elf.order() == ByteOrder.LITTLE_ENDIAN ? 0x464c457f : 0x7f454c46)
          || elf.get(4) != 2) {
        throw ProbeException.of(path + " is not a 64-bit ELF file");
      }
      Libjvm libjvm = new Libjvm(path, start - linkedAddress(elf, offset), elf);
      libjvm.readSections();
      return libjvm;
    }
  }

  /** The address for which what lies at an offset of the file was linked. */
  private static long linkedAddress(ByteBuffer elf, long offset) {
    for (int p : programHeaders(elf)) {
      long from = elf.getLong(p + 8);
      if (elf.getInt(p) == PT_LOAD
          && (elf.getInt(p + 4) & PF_X) != 0
          && offset >= (from & PAGE_MASK)
          && offset < from + elf.getLong(p + 32)) {
        return elf.getLong(p + 16) - from + offset;
      }
    }
    throw new IllegalStateException("no segment to execute at offset " + offset);
  }

  /** Where each of them is in the file. */
  private static int[] programHeaders(ByteBuffer elf) {
    int at = Math.toIntExact(elf.getLong(32));
    int entry = elf.getShort(54);
    return IntStream.range(0, elf.getShort(56)).map(i -> at + i * entry).toArray();
  }

  private record Section(int name, int type, long address, long offset, long size, int link) {}

  private void readSections() {
    int at = Math.toIntExact(elf.getLong(40));
    int entry = elf.getShort(58);
    int count = Short.toUnsignedInt(elf.getShort(60));
    Section[] sections = new Section[count];
    for (int i = 0; i < count; i++) {
      int s = at + i * entry;
      sections[i] =
          new Section(
              elf.getInt(s),
              elf.getInt(s + 4),
              elf.getLong(s + 16),
              elf.getLong(s + 24),
              elf.getLong(s + 32),
              elf.getInt(s + 40));
    }
    Section names = sections[Short.toUnsignedInt(elf.getShort(62))];
    long probeBase = 0;
    for (Section section : List.of(sections)) {
      if (string(names.offset + section.name).equals(".stapsdt.base")) {
        probeBase = section.address;
      }
    }
    for (Section section : List.of(sections)) {
      if (section.type == SHT_DYNSYM) {
        readSymbols(section, sections[section.link].offset);
      } else if (section.type == SHT_NOTE
          && string(names.offset + section.name).equals(".note.stapsdt")) {
        readNotes(section, probeBase);
      }
    }
  }

  private void readSymbols(Section section, long strings) {
    for (long s = section.offset; s < section.offset + section.size; s += 24) {
      int at = Math.toIntExact(s);
      symbols.put(string(strings + elf.getInt(at)), elf.getLong(at + 8));
    }
  }

  private void readNotes(Section section, long probeBase) {
    long end = section.offset + section.size;
    for (long n = section.offset; n + 12 <= end; ) {
      int at = Math.toIntExact(n);
      int nameSize = elf.getInt(at) + 3 & -4;
      int size = elf.getInt(at + 4) + 3 & -4;
      int note = at + 12 + nameSize;
      if (elf.getInt(at + 8) == STAPSDT) {
        // Location, base when it was linked, semaphore; provider, name, arguments.
        long location = elf.getLong(note);
        long moved = probeBase == 0 ? 0 : probeBase - elf.getLong(note + 8);
        String provider = string(note + 24L);
        String name = string(note + 24L + provider.length() + 1);
        usdt.putIfAbsent(provider + ":" + name, fileOffset(location + moved));
      }
      n = (long) note + size;
    }
  }

  private long fileOffset(long address) {
    for (int p : programHeaders(elf)) {
      long offset = elf.getLong(p + 8);
      long virtual = elf.getLong(p + 16);
      if (elf.getInt(p) == PT_LOAD
          && address >= virtual
          && address < virtual + elf.getLong(p + 32)) {
        return address - virtual + offset;
      }
    }
    return -1;
  }

  private String string(long offset) {
    int at = Math.toIntExact(offset);
    int end = at;
    while (elf.get(end) != 0) {
      end++;
    }
    byte[] text = new byte[end - at];
    elf.get(at, text);
    return new String(text, StandardCharsets.UTF_8);
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
