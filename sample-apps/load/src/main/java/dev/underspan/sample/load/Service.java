package dev.underspan.sample.load;

import java.nio.file.Path;

/** The three services of the shop. */
public enum Service {
  STOREFRONT("storefront"),
  INVENTORY("inventory"),
  PRICING("pricing");

  private final String id;

  Service(String id) {
    this.id = id;
  }

  /** The name by which the service calls itself, also that of its module and its jar. */
  public String id() {
    return id;
  }

  Path jar(Path repoRoot) {
    return repoRoot.resolve("sample-apps").resolve(id).resolve("target").resolve(id + ".jar");
  }
}
