package dev.underspan.runtime;

import dev.underspan.host.ProbeException;
import dev.underspan.host.Sidecar;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The kernel side as it comes and goes: programs of this process's own, to the end of it; or those
 * of a sidecar, which may be started late, killed, or replaced.
 */
final class KernelLink {
  private static final long RETRY_NS = 500_000_000;

  /** Where there never was one. */
  private static final long FIRST_RETRY_NS = 2_000_000_000;

  /** Of one that is there and refuses. */
  private static final long REFUSED_RETRY_NS = 10_000_000_000L;

  private final Configuration configuration;
  private final Path socket;
  private volatile @Nullable KernelSide kernel;
  private String missing = "";

  /** What there is to do when the kernel side comes, goes, and comes back. */
  interface User {
    void first(KernelSide kernel);

    void gone(KernelSide kernel);

    void back(KernelSide kernel);
  }

  KernelLink(Configuration configuration) {
    this.configuration = configuration;
    this.socket = Objects.requireNonNullElse(configuration.sidecar(), Sidecar.DEFAULT_SOCKET);
  }

  /** The kernel side, also while it is gone; null before it came. */
  @Nullable KernelSide kernel() {
    return kernel;
  }

  /** Why there is none, with the next action. */
  String missing() {
    return missing;
  }

  /** Tries once; the calling thread becomes the agent's. */
  void open() {
    if (!configuration.kernel()) {
      missing = "switched off by underspan.kernel.enabled";
      return;
    }
    StringBuilder why = new StringBuilder();
    if (configuration.sidecar() == null) {
      try {
        kernel = KernelSide.start(configuration.ringBytes(), configuration.slots());
        return;
      } catch (ProbeException e) {
        why.append(e.getMessage());
      } catch (RuntimeException | LinkageError e) {
        missing = ProbeException.nativePart(e);
        return;
      }
    }
    if (Files.exists(socket)) {
      try {
        kernel = connect();
        return;
      } catch (ProbeException e) {
        why.append(why.isEmpty() ? "" : "; ").append(e.getMessage());
      } catch (RuntimeException | LinkageError e) {
        why.append(ProbeException.nativePart(e));
      }
    } else if (why.isEmpty()) {
      why.append("no sidecar listens on ").append(socket).append(" yet; it is waited for");
    } else {
      why.append("; or start a sidecar: there is none at ").append(socket);
    }
    missing = why.toString();
  }

  private KernelSide connect() throws ProbeException {
    return KernelSide.connect(socket, configuration.ringBytes(), configuration.slots());
  }

  /** Where the sidecar is, or is to be. */
  Path socket() {
    return socket;
  }

  /** Follows the sidecar, where one is of use, on a thread of the agent's own. */
  void follow(User user, AgentThreads threads) {
    KernelSide now = kernel;
    if (configuration.kernel() && (now == null || now.probes().isBySidecar())) {
      threads.daemon("sidecar", () -> run(user, threads)).start();
    }
  }

  private void run(User user, AgentThreads threads) {
    try {
      while (true) {
        KernelSide known = kernel;
        if (known == null) {
          known = await(null);
          kernel = known;
          known.probes().markAgents(threads.ids());
          user.first(known);
          Log.info("a sidecar has come: level sidecar, by " + socket);
        }
        known.probes().awaitSidecarEnd();
        user.gone(known);
        Log.warn("the sidecar is gone: level process until there is one at " + socket + " again");
        user.back(await(known));
        Log.info("the sidecar is back: level sidecar");
      }
    } catch (RuntimeException e) {
      Log.warn("the sidecar is not followed any more: " + e);
    }
  }

  /**
   * Waits until there is a sidecar that serves this process.
   *
   * @param known what goes on with it; null to begin
   */
  private KernelSide await(@Nullable KernelSide known) {
    String told = missing;
    while (true) {
      long pause = known == null ? FIRST_RETRY_NS : RETRY_NS;
      if (Files.exists(socket)) {
        pause = RETRY_NS;
        try {
          if (known == null) {
            return connect();
          }
          known.reconnect(socket);
          return known;
        } catch (ProbeException e) {
          String why = String.valueOf(e.getMessage());
          // One that was killed leaves its socket, on which nobody listens.
          if (!e.isNobodyThere()) {
            pause = REFUSED_RETRY_NS;
            if (!told.contains(why)) {
              Log.warn("the sidecar at " + socket + " is of no use: " + why);
              told = why;
            }
          }
        }
      }
      LockSupport.parkNanos(this, pause);
    }
  }

  void close() {
    KernelSide known = kernel;
    if (known != null) {
      known.close();
    }
  }
}
