package dev.underspan.bridge.wire;

import org.jspecify.annotations.Nullable;

/**
 * A statement without its literals.
 *
 * @param sanitised statement text without literals and comments, at most 2048 characters
 * @param operation first keyword in upper case, after WITH the main verb; null if there is none
 * @param target main table as written; null if not simply found
 */
public record SqlSummary(String sanitised, @Nullable String operation, @Nullable String target) {}
