package dev.underspan.host;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * A 64-bit file of code, as ELF (System V ABI, chapters 4 and 5): its USDT probes (notes of
 * SystemTap, "UserSpaceProbeImplementation") and its symbols.
 */
final class ElfFile {
  private static final int SHT_NOTE = 7;
  private static final int SHT_DYNSYM = 11;
  private static final int STT_FUNC = 2;
  private static final short SHN_UNDEF = 0;
  private static final int SYMBOL = 24;
  private static final int PT_LOAD = 1;
  private static final int PF_X = 1;
  private static final int STAPSDT = 3;

  private final ByteBuffer elf;

  private ElfFile(ByteBuffer elf) {
    this.elf = elf;
  }

  /**
   * Maps the file; what is wrong with it otherwise shows as a RuntimeException.
   *
   * @throws IOException when it cannot be read, or is no such file
   */
  static ElfFile read(Path path) throws IOException {
    try (FileChannel channel = FileChannel.open(path)) {
      ByteBuffer elf =
          channel
              .map(FileChannel.MapMode.READ_ONLY, 0, channel.size())
              .order(ByteOrder.nativeOrder());
      if (elf.capacity() < 64
          || elf.getInt(0) != (elf.order() == ByteOrder.LITTLE_ENDIAN ? 0x464c457f : 0x7f454c46)
          || elf.get(4) != 2) {
        throw new IOException(path + " is not a 64-bit ELF file");
      }
      return new ElfFile(elf);
    }
  }

  /** The address for which what lies at an offset of the file was linked. */
  long linkedAddress(long offset) {
    for (int p : programHeaders()) {
      long from = elf.getLong(p + 8);
      if (elf.getInt(p) == PT_LOAD
          && (elf.getInt(p + 4) & PF_X) != 0
          && offset >= (from & -(long) Native.PAGE)
          && offset < from + elf.getLong(p + 32)) {
        return elf.getLong(p + 16) - from + offset;
      }
    }
    throw new IllegalStateException("no segment to execute at offset " + offset);
  }

  /** Where each of them is in the file. */
  private int[] programHeaders() {
    int at = Math.toIntExact(elf.getLong(32));
    int entry = elf.getShort(54);
    return IntStream.range(0, elf.getShort(56)).map(i -> at + i * entry).toArray();
  }

  private record Section(int name, int type, long address, long offset, long size, int link) {}

  private List<Section> sections() {
    int at = Math.toIntExact(elf.getLong(40));
    int entry = elf.getShort(58);
    List<Section> sections = new ArrayList<>();
    for (int i = 0; i < Short.toUnsignedInt(elf.getShort(60)); i++) {
      int s = at + i * entry;
      sections.add(
          new Section(
              elf.getInt(s),
              elf.getInt(s + 4),
              elf.getLong(s + 16),
              elf.getLong(s + 24),
              elf.getLong(s + 32),
              elf.getInt(s + 40)));
    }
    return sections;
  }

  /** All that it exports: name and address for which it was linked. */
  Map<String, Long> exported() {
    Map<String, Long> symbols = new HashMap<>();
    List<Section> sections = sections();
    for (Section section : sections) {
      if (section.type == SHT_DYNSYM) {
        long strings = sections.get(section.link).offset;
        for (long s = section.offset; s < section.offset + section.size; s += SYMBOL) {
          int at = Math.toIntExact(s);
          symbols.put(string(strings + elf.getInt(at)), elf.getLong(at + 8));
        }
      }
    }
    return symbols;
  }

  /**
   * Where in the file those of these functions begin that it has, whether it exports them or not.
   */
  Map<String, Long> functions(Set<String> wanted) {
    Map<String, Long> found = new HashMap<>();
    List<byte[]> names = new ArrayList<>();
    wanted.forEach(name -> names.add((name + "\0").getBytes(StandardCharsets.UTF_8)));
    List<Section> sections = sections();
    for (Section section : sections) {
      if (section.type == SHT_DYNSYM) {
        long strings = sections.get(section.link).offset;
        for (long s = section.offset; s < section.offset + section.size; s += SYMBOL) {
          int at = Math.toIntExact(s);
          if ((elf.get(at + 4) & 0xf) == STT_FUNC && elf.getShort(at + 6) != SHN_UNDEF) {
            int name = Math.toIntExact(strings + elf.getInt(at));
            for (byte[] one : names) {
              if (begins(name, one)) {
                found.put(string(name), fileOffset(elf.getLong(at + 8)));
              }
            }
          }
        }
      }
    }
    return found;
  }

  private boolean begins(int at, byte[] text) {
    for (int i = 0; i < text.length; i++) {
      if (elf.get(at + i) != text[i]) {
        return false;
      }
    }
    return true;
  }

  /** Its USDT probes: provider, colon, name; and where in the file the instruction is. */
  Map<String, Long> usdt() {
    Map<String, Long> usdt = new HashMap<>();
    List<Section> sections = sections();
    long names = sections.get(Short.toUnsignedInt(elf.getShort(62))).offset;
    long probeBase = 0;
    for (Section section : sections) {
      if (string(names + section.name).equals(".stapsdt.base")) {
        probeBase = section.address;
      }
    }
    for (Section section : sections) {
      if (section.type == SHT_NOTE && string(names + section.name).equals(".note.stapsdt")) {
        readNotes(section, probeBase, usdt);
      }
    }
    return usdt;
  }

  private void readNotes(Section section, long probeBase, Map<String, Long> usdt) {
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
    for (int p : programHeaders()) {
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
}
