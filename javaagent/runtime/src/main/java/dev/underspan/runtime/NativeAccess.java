package dev.underspan.runtime;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/**
 * JDK 22 and newer print a warning when jffi loads its library, unless the module has native
 * access. java.lang is open to us since the bootstrap classes were defined.
 */
final class NativeAccess {
  private NativeAccess() {}

  static void allow() {
    if (Runtime.version().feature() < 22) {
      return;
    }
    try {
      MethodHandle enable =
          MethodHandles.privateLookupIn(Module.class, MethodHandles.lookup())
              .findStatic(
                  Module.class,
                  "implAddEnableNativeAccessToAllUnnamed",
                  MethodType.methodType(void.class));
      enable.invoke();
    } catch (Throwable e) {
      // Then there is a warning, which harms nobody.
      Log.debug("no native access for the agent's module: " + e);
    }
  }
}
