package dev.underspan.runtime.doctor;

import dev.underspan.host.Sidecar;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What the agent would be told here, by the environment and system properties.
 *
 * @param kernel whether it may use the kernel at all
 * @param sidecar if it was told one; then it does not use rights of its own
 */
public record Settings(
    String version, boolean kernel, int ringBytes, int slots, @Nullable Path sidecar) {
  /** Where a sidecar is looked for. */
  Path socket() {
    return Objects.requireNonNullElse(sidecar, Sidecar.DEFAULT_SOCKET);
  }
}
