package dev.underspan.host;

import java.lang.reflect.Field;
import org.jspecify.annotations.Nullable;

/**
 * Where HotSpot keeps the monitor that a thread waits on, and the one that it wants to enter:
 * fields of its JavaThread, whose places it exports for debuggers (gHotSpotVMStructs,
 * vmStructs.hpp).
 */
final class JavaMonitors {
  private static final JavaMonitors UNKNOWN = new JavaMonitors(0, 0, null);

  private final int waiting;
  private final int pending;
  private final @Nullable Field eetop;

  private JavaMonitors(int waiting, int pending, @Nullable Field eetop) {
    this.waiting = waiting;
    this.pending = pending;
    this.eetop = eetop;
  }

  /** Not known on JVMs that export nothing, or where java.lang is not open to us. */
  static JavaMonitors find() {
    try {
      Field eetop = Thread.class.getDeclaredField("eetop");
      eetop.setAccessible(true);
      Libjvm libjvm = Libjvm.ofThisProcess();
      long entry = pointedTo(libjvm, "gHotSpotVMStructs");
      long stride = pointedTo(libjvm, "gHotSpotVMStructEntryArrayStride");
      long typeName = pointedTo(libjvm, "gHotSpotVMStructEntryTypeNameOffset");
      long fieldName = pointedTo(libjvm, "gHotSpotVMStructEntryFieldNameOffset");
      long offset = pointedTo(libjvm, "gHotSpotVMStructEntryOffsetOffset");
      int waiting = 0;
      int pending = 0;
      // A null type name ends the table.
      for (; stride > 0 && Native.getLong(entry + typeName) != 0; entry += stride) {
        String field = Native.getString(Native.getLong(entry + fieldName));
        if (field.equals("_current_waiting_monitor")) {
          waiting = Math.toIntExact(Native.getLong(entry + offset));
        } else if (field.equals("_current_pending_monitor")) {
          pending = Math.toIntExact(Native.getLong(entry + offset));
        }
      }
      return waiting > 0 && pending > 0 ? new JavaMonitors(waiting, pending, eetop) : UNKNOWN;
    } catch (ProbeException | ReflectiveOperationException | RuntimeException e) {
      return UNKNOWN;
    }
  }

  private static long pointedTo(Libjvm libjvm, String symbol) throws ProbeException {
    long address = libjvm.address(symbol);
    if (address == 0) {
      throw ProbeException.of("libjvm.so does not export " + symbol);
    }
    return Native.getLong(address);
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
