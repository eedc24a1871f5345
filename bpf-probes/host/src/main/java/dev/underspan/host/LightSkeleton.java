package dev.underspan.host;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Loads one set of programs by libbpf's generated loader: a BPF program of type SYSCALL that
 * creates the maps, relocates against the running kernel's types and loads the programs, all in the
 * kernel. Structs: {@code union bpf_attr} of linux/bpf.h; the context's layout is in the set's
 * .properties.
 */
final class LightSkeleton implements AutoCloseable {
  private static final int BPF_MAP_CREATE = 0;
  private static final int BPF_MAP_UPDATE_ELEM = 2;
  private static final int BPF_MAP_DELETE_ELEM = 3;
  private static final int BPF_PROG_LOAD = 5;
  private static final int BPF_PROG_RUN = 10;
  private static final int BPF_RAW_TRACEPOINT_OPEN = 17;
  static final int BPF_LINK_CREATE = 28;
  private static final int BPF_ITER_CREATE = 33;
  private static final int BPF_TRACE_ITER = 28;
  static final int BPF_MAP_TYPE_ARRAY = 2;
  private static final int BPF_PROG_TYPE_SYSCALL = 31;
  private static final int BPF_F_SLEEPABLE = 1 << 4;
  private static final int LOG_SIZE = 1 << 20;

  private final Map<String, Integer> maps = new LinkedHashMap<>();
  private final Map<String, Integer> programs = new LinkedHashMap<>();
  private final Map<String, Integer> links = new LinkedHashMap<>();

  private LightSkeleton() {}

  /**
   * Creates the maps and loads the programs of a set; nothing is attached yet.
   *
   * @param maxEntries sizes of maps that differ from those compiled in
   */
  static LightSkeleton load(String set, Map<String, Integer> maxEntries) throws ProbeException {
    Properties layout = new Properties();
    byte[] data;
    byte[] insns;
    try (InputStream in = resource(set + ".properties")) {
      layout.load(in);
      data = bytes(set + ".data");
      insns = bytes(set + ".insns");
    } catch (IOException e) {
      throw ProbeException.of("cannot read the BPF programs from the jar: " + e);
    }
    LightSkeleton skeleton = new LightSkeleton();
    int error = skeleton.run(layout, data, insns, maxEntries, null);
    if (error < 0) {
      // Again, with the verifier's log: it costs too much to ask for it always.
      ByteBuffer log = Native.allocate(LOG_SIZE);
      int again = skeleton.run(layout, data, insns, maxEntries, log);
      if (again < 0) {
        throw ProbeException.of(
            "loading the BPF programs (" + set + ")", -again, zeroTerminated(log));
      }
    }
    return skeleton;
  }

  private int run(
      Properties layout,
      byte[] data,
      byte[] insns,
      Map<String, Integer> maxEntries,
      @Nullable ByteBuffer log) {
    int size = Integer.parseInt(layout.getProperty("context.size"));
    ByteBuffer context = Native.allocate(size);
    context.putInt(0, size);
    if (log != null) {
      context.putInt(8, 1);
      context.putInt(12, log.capacity());
      context.putLong(16, Native.address(log));
    }
    maxEntries.forEach(
        (map, entries) -> {
          String offset = layout.getProperty("map." + map);
          if (offset != null) {
            context.putInt(Integer.parseInt(offset) + 4, entries);
          }
        });
    int mapFd = -1;
    int programFd = -1;
    try {
      mapFd = createMap(BPF_MAP_TYPE_ARRAY, "__loader.map", 4, data.length, 1, 0);
      if (mapFd < 0) {
        return mapFd;
      }
      int error = update(mapFd, data);
      if (error < 0) {
        return error;
      }
      programFd = loadLoader(insns, mapFd, log);
      if (programFd < 0) {
        return programFd;
      }
      error = runProgram(programFd, context);
      if (error < 0) {
        return error;
      }
    } finally {
      Native.close(programFd);
      Native.close(mapFd);
    }
    for (String key : layout.stringPropertyNames()) {
      int at = Integer.parseInt(layout.getProperty(key));
      if (key.startsWith("map.")) {
        maps.put(key.substring("map.".length()), context.getInt(at));
      } else if (key.startsWith("program.")) {
        programs.put(key.substring("program.".length()), context.getInt(at));
      }
    }
    return 0;
  }

  /** Creates a map; its descriptor, or -errno. Struct: union bpf_attr of linux/bpf.h. */
  static int createMap(
      int type, String name, int keySize, int valueSize, int maxEntries, int flags) {
    ByteBuffer attributes = Native.allocate(72);
    attributes.putInt(0, type).putInt(4, keySize).putInt(8, valueSize).putInt(12, maxEntries);
    attributes.putInt(16, flags);
    attributes.put(28, name.getBytes(StandardCharsets.US_ASCII));
    return Native.bpf(BPF_MAP_CREATE, attributes);
  }

  private static int update(int mapFd, byte[] value) {
    return update(mapFd, 0, Native.allocate(value.length).put(0, value), 0);
  }

  /** Sets an element of a map with keys of four bytes; 0, or -errno. */
  static int update(int mapFd, int key, ByteBuffer value, long flags) {
    ByteBuffer directKey = Native.allocate(4).putInt(0, key);
    ByteBuffer attributes = Native.allocate(32);
    attributes.putInt(0, mapFd).putLong(8, Native.address(directKey));
    attributes.putLong(16, Native.address(value)).putLong(24, flags);
    return Native.bpf(BPF_MAP_UPDATE_ELEM, attributes, directKey, value);
  }

  /** Removes an element of a map with keys of four bytes; 0, or -errno. */
  static int delete(int mapFd, int key) {
    ByteBuffer directKey = Native.allocate(4).putInt(0, key);
    ByteBuffer attributes = Native.allocate(32);
    attributes.putInt(0, mapFd).putLong(8, Native.address(directKey));
    return Native.bpf(BPF_MAP_DELETE_ELEM, attributes, directKey);
  }

  private static int loadLoader(byte[] insns, int mapFd, @Nullable ByteBuffer log) {
    ByteBuffer code = Native.allocate(insns.length).put(0, insns);
    byte[] licenseText = "Dual BSD/GPL\0".getBytes(StandardCharsets.US_ASCII);
    ByteBuffer license = Native.allocate(licenseText.length).put(0, licenseText);
    ByteBuffer fds = Native.allocate(4).putInt(0, mapFd);
    ByteBuffer attributes = Native.allocate(128);
    attributes.putInt(0, BPF_PROG_TYPE_SYSCALL).putInt(4, insns.length / 8);
    attributes.putLong(8, Native.address(code)).putLong(16, Native.address(license));
    if (log != null) {
      attributes.putInt(24, 1).putInt(28, log.capacity()).putLong(32, Native.address(log));
    }
    attributes.putInt(44, BPF_F_SLEEPABLE);
    attributes.put(48, "__loader.prog".getBytes(StandardCharsets.US_ASCII));
    attributes.putLong(120, Native.address(fds));
    return Native.bpf(BPF_PROG_LOAD, attributes, code, license, fds);
  }

  /** Runs a SYSCALL program once on this thread; its return value, or -errno. */
  static int runProgram(int programFd, ByteBuffer context) {
    ByteBuffer attributes = Native.allocate(80);
    attributes.putInt(0, programFd).putInt(40, context.capacity());
    attributes.putLong(48, Native.address(context));
    int result = Native.bpf(BPF_PROG_RUN, attributes, context);
    return result < 0 ? result : attributes.getInt(4);
  }

  /** Attaches a BTF tracepoint program; it knows its own target. */
  void attach(String program) throws ProbeException {
    ByteBuffer attributes = Native.allocate(16).putInt(8, program(program));
    int fd = Native.bpf(BPF_RAW_TRACEPOINT_OPEN, attributes);
    if (fd < 0) {
      throw ProbeException.of("attaching the BPF program " + program, -fd, "");
    }
    links.put(program, fd);
  }

  /** The opposite of {@link #attach}. */
  void detach(String program) {
    Native.close(fd(links, program));
    links.remove(program);
  }

  /** Runs an iterator's program over all that it iterates over. */
  void iterate(String program) throws ProbeException {
    ByteBuffer attributes = Native.allocate(48);
    attributes.putInt(0, program(program)).putInt(8, BPF_TRACE_ITER);
    int link = Native.bpf(BPF_LINK_CREATE, attributes);
    if (link < 0) {
      throw ProbeException.of("attaching the BPF program " + program, -link, "");
    }
    try {
      int iterator = Native.bpf(BPF_ITER_CREATE, Native.allocate(8).putInt(0, link));
      if (iterator < 0) {
        throw ProbeException.of("running the BPF program " + program, -iterator, "");
      }
      int read = Native.read(iterator, Native.allocate(64));
      Native.close(iterator);
      if (read < 0) {
        throw ProbeException.of("running the BPF program " + program, -read, "");
      }
    } finally {
      Native.close(link);
    }
  }

  /**
   * Attaches an uprobe program to a place in a file, for one process only.
   *
   * @param pid of the process's main thread: it lives as long as the process does, and the probe is
   *     for all that share its memory
   * @param fileOffset of the instruction
   * @param onReturn the place is a function's beginning, and its return is wanted
   * @return the descriptor that keeps it attached
   */
  int openUprobe(String program, long pid, String file, long fileOffset, boolean onReturn)
      throws ProbeException {
    return new Uprobe(program, program(program), pid, file, fileOffset, onReturn).open();
  }

  /** Names of the maps. */
  Set<String> maps() {
    return maps.keySet();
  }

  boolean has(String program) {
    return programs.containsKey(program);
  }

  int program(String name) {
    return fd(programs, name);
  }

  int map(String name) {
    return fd(maps, name);
  }

  private static int fd(Map<String, Integer> from, String name) {
    Integer fd = from.get(name);
    if (fd == null) {
      throw new IllegalArgumentException(name + " is not in this set: " + from.keySet());
    }
    return fd;
  }

  /** Detaches and lets the kernel free programs and maps; mapped memory stays until unmapped. */
  @Override
  public void close() {
    for (Map<String, Integer> fds : List.of(links, programs, maps)) {
      fds.values().forEach(Native::close);
      fds.clear();
    }
  }

  private static String zeroTerminated(ByteBuffer log) {
    int end = 0;
    while (end < log.capacity() && log.get(end) != 0) {
      end++;
    }
    byte[] text = new byte[end];
    log.get(0, text);
    return new String(text, StandardCharsets.UTF_8);
  }

  static InputStream resource(String name) throws IOException {
    String arch = System.getProperty("os.arch", "").replace("amd64", "x86_64");
    String path = "/dev/underspan/programs/" + arch + "/" + name;
    InputStream in = LightSkeleton.class.getResourceAsStream(path);
    if (in == null) {
      throw new IOException("no " + path + " (is " + arch + " supported by this build?)");
    }
    return in;
  }

  private static byte[] bytes(String name) throws IOException {
    try (InputStream in = resource(name)) {
      return in.readAllBytes();
    }
  }
}
