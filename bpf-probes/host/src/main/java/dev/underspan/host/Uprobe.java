package dev.underspan.host;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * An uprobe program on a place in a file, for one process. Two ways: a perf event, which every
 * kernel has but which wants CAP_SYS_ADMIN and /sys; and a link, from Linux 6.6 on, for which the
 * rights that loaded the program are enough. The event is tried first: before Linux 6.10 a link was
 * for the process's first thread only.
 *
 * @param name of the program
 * @param program its descriptor
 */
record Uprobe(String name, int program, long pid, String file, long fileOffset, boolean onReturn) {
  private static final int PERF_ATTR_SIZE = 112;
  private static final long PERF_EVENT_IOC_SET_BPF = 0x40042408L;
  private static final long PERF_EVENT_IOC_ENABLE = 0x2400;
  private static final Path TYPE = Path.of("/sys/bus/event_source/devices/uprobe/type");
  private static final int BPF_TRACE_UPROBE_MULTI = 48;
  private static final int BPF_F_UPROBE_MULTI_RETURN = 1;

  /** Attaches it; the descriptor that keeps it attached. */
  int open() throws ProbeException {
    Integer type = perfType();
    int event = type == null ? -Errno.EACCES : event(type);
    if (event >= 0) {
      return event;
    }
    int link = link();
    if (link >= 0) {
      return link;
    }
    String what = "attaching the BPF program " + name + " to " + file;
    if (type == null) {
      what += " (no " + TYPE + ": is /sys mounted? Nor a link)";
    }
    throw ProbeException.of(what, event == -Errno.EACCES ? -link : -event, "");
  }

  /** Null where the kernel has no uprobes, or does not show them. */
  private static @Nullable Integer perfType() {
    try {
      return Integer.valueOf(Files.readString(TYPE).trim());
    } catch (IOException | NumberFormatException e) {
      return null;
    }
  }

  /** Struct perf_event_attr and requests: linux/perf_event.h. A descriptor or -errno. */
  private int event(int type) {
    ByteBuffer path = path();
    ByteBuffer attributes = Native.allocate(PERF_ATTR_SIZE);
    attributes.putInt(0, type).putInt(4, PERF_ATTR_SIZE);
    attributes.putLong(8, onReturn ? 1 : 0); // format/retprobe: bit 0 of config
    attributes.putLong(56, Native.address(path)).putLong(64, fileOffset);
    int fd = Native.perfEventOpen(attributes, pid, -1, path);
    if (fd < 0) {
      return fd;
    }
    int error = Native.ioctl(fd, PERF_EVENT_IOC_SET_BPF, program);
    if (error == 0) {
      error = Native.ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
    }
    if (error < 0) {
      Native.close(fd);
      return error;
    }
    return fd;
  }

  /** Union bpf_attr, link_create.uprobe_multi: linux/bpf.h. A descriptor or -errno. */
  private int link() {
    ByteBuffer path = path();
    ByteBuffer offsets = Native.allocate(8).putLong(0, fileOffset);
    ByteBuffer attributes = Native.allocate(64);
    attributes.putInt(0, program).putInt(8, BPF_TRACE_UPROBE_MULTI);
    attributes.putLong(16, Native.address(path)).putLong(24, Native.address(offsets));
    attributes.putInt(48, 1).putInt(52, onReturn ? BPF_F_UPROBE_MULTI_RETURN : 0);
    attributes.putInt(56, (int) pid);
    return Native.bpf(LightSkeleton.BPF_LINK_CREATE, attributes, path, offsets);
  }

  private ByteBuffer path() {
    byte[] name = (file + "\0").getBytes(StandardCharsets.UTF_8);
    return Native.allocate(name.length).put(0, name);
  }
}
