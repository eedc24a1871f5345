package dev.underspan.runtime.doctor;

import java.nio.file.Path;

/** What the agent would be told here, by the environment and system properties. */
public record Settings(String version, boolean kernel, int ringBytes, int slots, Path sidecar) {}
