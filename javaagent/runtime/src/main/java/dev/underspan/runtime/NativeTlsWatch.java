package dev.underspan.runtime;

import dev.underspan.host.KernelProbes;
import dev.underspan.host.ProbeException;
import dev.underspan.host.TlsLibraries;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Looks for TLS libraries in native code when libraries have come or gone, and else does nothing.
 */
final class NativeTlsWatch {
  private final KernelProbes probes;
  private final TlsLibraries libraries;
  private final Thread thread;
  private volatile boolean due;

  private NativeTlsWatch(KernelProbes probes, TlsLibraries libraries, AgentThreads threads) {
    this.probes = probes;
    this.libraries = libraries;
    this.thread = threads.daemon("libraries", this::run);
  }

  /** Begins, or says why not; null then. */
  static @Nullable NativeTlsWatch start(KernelSide kernel, AgentThreads threads) {
    try {
      KernelProbes probes = kernel.probes();
      NativeTlsWatch watch = new NativeTlsWatch(probes, probes.watchTlsLibraries(), threads);
      kernel.onLibraries(() -> LockSupport.unpark(watch.thread));
      watch.thread.start();
      return watch;
    } catch (ProbeException e) {
      Log.info("TLS in native code is not looked into: " + e.getMessage());
      return null;
    }
  }

  /** All probes are gone. */
  void again() {
    due = true;
    LockSupport.unpark(thread);
  }

  private void run() {
    while (!Thread.currentThread().isInterrupted()) {
      due = false;
      long seen = probes.libraryChanges();
      for (String news : libraries.refresh()) {
        Log.info("TLS in native code: " + news);
      }
      while (!due && seen == probes.libraryChanges() && !Thread.currentThread().isInterrupted()) {
        LockSupport.park(this);
      }
    }
  }
}
