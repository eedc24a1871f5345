package dev.underspan.host;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/** Names in the running kernel's type information (BTF); anybody may read it. */
public final class KernelTypes {
  /** Where the kernel shows it. The programs do not need the file: the kernel has its own. */
  public static final Path FILE = Path.of("/sys/kernel/btf/vmlinux");

  private static final int MAGIC = 0xeb9f;

  private final Set<String> names;

  private KernelTypes(Set<String> names) {
    this.names = names;
  }

  /** Whether the kernel was built without; false also where that cannot be seen. */
  public static boolean areMissing() {
    Path shown = FILE.resolveSibling("");
    return Files.isDirectory(shown.resolveSibling("")) && !Files.isDirectory(shown);
  }

  /** Reads a file, some megabytes. Struct btf_header: linux/btf.h. */
  static KernelTypes read(Path file) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    ByteBuffer btf = ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
    if (bytes.length < 24 || (btf.getShort(0) & 0xffff) != MAGIC) {
      throw new IOException(file + " is no BTF");
    }
    int from = btf.getInt(4) + btf.getInt(16);
    int length = btf.getInt(20);
    if (from < 0 || length < 0 || from > bytes.length - length) {
      throw new IOException(file + " is cut");
    }
    Set<String> names = new HashSet<>();
    int start = from;
    for (int i = from; i < from + length; i++) {
      if (bytes[i] == 0) {
        names.add(new String(bytes, start, i - start, StandardCharsets.US_ASCII));
        start = i + 1;
      }
    }
    return new KernelTypes(names);
  }

  /** Whether programs can be attached to a tracepoint, if they are let. */
  boolean hasTracepoint(String name) {
    return names.contains("btf_trace_" + name);
  }
}
