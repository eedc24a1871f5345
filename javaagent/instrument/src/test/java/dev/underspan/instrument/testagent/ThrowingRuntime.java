package dev.underspan.instrument.testagent;

import java.lang.reflect.Proxy;

/** Throws from every method. */
final class ThrowingRuntime {
  private ThrowingRuntime() {}

  static UnderspanRuntime create() {
    return (UnderspanRuntime)
        Proxy.newProxyInstance(
            ThrowingRuntime.class.getClassLoader(),
            new Class<?>[] {UnderspanRuntime.class},
            (proxy, method, arguments) -> {
              throw new AssertionError("thrown by the test in " + method.getName());
            });
  }
}
