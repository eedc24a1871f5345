package dev.underspan.abi;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Structs of an ELF64 object's .BTF section, read as the kernel's Documentation/bpf/btf.rst has it.
 * Shares nothing with the generator of Layout.
 */
final class Btf {
  private static final int INT = 1;
  private static final int ARRAY = 3;
  private static final int STRUCT = 4;
  private static final int UNION = 5;
  private static final int ENUM = 6;
  private static final int FUNC_PROTO = 13;
  private static final int VAR = 14;
  private static final int DATASEC = 15;
  private static final int DECL_TAG = 17;
  private static final int ENUM64 = 19;

  /** A struct's size and its fields' offsets in bytes. */
  record Struct(int size, Map<String, Integer> fields) {}

  final Map<String, Struct> structs = new LinkedHashMap<>();

  Btf(Path object) throws IOException {
    parse(section(ByteBuffer.wrap(Files.readAllBytes(object)), ".BTF"));
  }

  private static ByteBuffer section(ByteBuffer elf, String wanted) {
    if (elf.getInt(0) != 0x7f454c46 || elf.get(4) != 2) {
      throw new IllegalArgumentException("not an ELF64 file");
    }
    elf.order(elf.get(5) == 1 ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
    int headers = Math.toIntExact(elf.getLong(40));
    int headerSize = elf.getShort(58);
    int count = elf.getShort(60);
    int names = Math.toIntExact(elf.getLong(headers + elf.getShort(62) * headerSize + 24));
    for (int i = 0; i < count; i++) {
      int header = headers + i * headerSize;
      if (string(elf, names + elf.getInt(header)).equals(wanted)) {
        int offset = Math.toIntExact(elf.getLong(header + 24));
        int size = Math.toIntExact(elf.getLong(header + 32));
        return elf.slice(offset, size).order(elf.order());
      }
    }
    throw new IllegalArgumentException("no section " + wanted);
  }

  private static String string(ByteBuffer from, int at) {
    int end = at;
    while (from.get(end) != 0) {
      end++;
    }
    byte[] bytes = new byte[end - at];
    from.get(at, bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private void parse(ByteBuffer btf) {
    if (btf.getShort(0) != (short) 0xeb9f) {
      throw new IllegalArgumentException("not BTF");
    }
    int header = btf.getInt(4);
    int at = header + btf.getInt(8);
    int end = at + btf.getInt(12);
    int strings = header + btf.getInt(16);
    while (at < end) {
      String name = string(btf, strings + btf.getInt(at));
      int info = btf.getInt(at + 4);
      int size = btf.getInt(at + 8);
      int kind = info >>> 24 & 0x1f;
      int count = info & 0xffff;
      boolean bitfields = info < 0;
      at += 12;
      switch (kind) {
        case INT, VAR, DECL_TAG -> at += 4;
        case ARRAY -> at += 12;
        case STRUCT, UNION -> {
          Map<String, Integer> fields = new LinkedHashMap<>();
          for (int i = 0; i < count; i++, at += 12) {
            int bits = btf.getInt(at + 8);
            if (bitfields) {
              bits &= 0xffffff;
            }
            if (bits % 8 != 0) {
              continue; // the kernel's own types only
            }
            fields.put(string(btf, strings + btf.getInt(at)), bits / 8);
          }
          if (kind == STRUCT) {
            structs.put(name, new Struct(size, fields));
          }
        }
        case ENUM -> at += 8 * count;
        case ENUM64, DATASEC -> at += 12 * count;
        case FUNC_PROTO -> at += 8 * count;
        default -> {}
      }
    }
    if (at != end) {
      throw new IllegalArgumentException("types end at " + at + ", not at " + end);
    }
  }
}
