package dev.underspan.matrix;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** They are not in the JDK that the applications under test are compiled for. */
final class VirtualThreads {
  private VirtualThreads() {}

  /** One for each task. */
  static ExecutorService executor() throws ReflectiveOperationException {
    return (ExecutorService)
        Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
  }
}
