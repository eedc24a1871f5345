package dev.underspan.host;

import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Where HotSpot keeps the monitor that a thread waits on, and the one that it wants to enter:
 * fields of its JavaThread, whose places it exports for debuggers (gHotSpotVMStructs,
 * vmStructs.hpp).
 */
final class JavaMonitors {
  /** JDK 25 has some 1 400. */
  private static final int MAX_ENTRIES = 20_000;

  static final JavaMonitors UNKNOWN = new JavaMonitors(0, 0, null);

  private final int waiting;
  private final int pending;
  private final @Nullable Field eetop;

  private JavaMonitors(int waiting, int pending, @Nullable Field eetop) {
    this.waiting = waiting;
    this.pending = pending;
    this.eetop = eetop;
  }

  /** Not known on JVMs that export nothing, or where java.lang is not open to us. */
  static JavaMonitors find(Libjvm libjvm) {
    try (OwnMemory memory = new OwnMemory()) {
      Field eetop = Thread.class.getDeclaredField("eetop");
      eetop.setAccessible(true);
      long entry = memory.getLong(libjvm.address("gHotSpotVMStructs"));
      int stride = number(memory, libjvm, "gHotSpotVMStructEntryArrayStride");
      int typeName = number(memory, libjvm, "gHotSpotVMStructEntryTypeNameOffset");
      int fieldName = number(memory, libjvm, "gHotSpotVMStructEntryFieldNameOffset");
      int offset = number(memory, libjvm, "gHotSpotVMStructEntryOffsetOffset");
      int waiting = 0;
      int pending = 0;
      ByteBuffer row = memory.bytes(entry, stride);
      // A null type name ends the table.
      for (int i = 0; i < MAX_ENTRIES && row.getLong(typeName) != 0; i++) {
        String field = memory.getString(row.getLong(fieldName));
        if (field.equals("_current_waiting_monitor")) {
          waiting = Math.toIntExact(row.getLong(offset));
        } else if (field.equals("_current_pending_monitor")) {
          pending = Math.toIntExact(row.getLong(offset));
        }
        entry += stride;
        row = memory.bytes(entry, stride);
      }
      return waiting > 0 && pending > 0 ? new JavaMonitors(waiting, pending, eetop) : UNKNOWN;
    } catch (ProbeException | IOException | ReflectiveOperationException | RuntimeException e) {
      return UNKNOWN;
    }
  }

  private static int number(OwnMemory memory, Libjvm libjvm, String symbol)
      throws ProbeException, IOException {
    return Math.toIntExact(memory.getLong(libjvm.address(symbol)));
  }

  /** Offset in a JavaThread, bytes. */
  int waiting() {
    return waiting;
  }

  /** Offset in a JavaThread, bytes. */
  int pending() {
    return pending;
  }

  /** Address of the calling thread's JavaThread; the carrier's for a virtual thread. 0: unknown. */
  long currentJavaThread() {
    Field field = eetop;
    try {
      // A virtual thread has none of its own.
      return field == null ? 0 : field.getLong(Thread.currentThread());
    } catch (IllegalAccessException e) {
      return 0;
    }
  }
}
