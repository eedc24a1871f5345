package dev.underspan.instrument;

import org.jspecify.annotations.Nullable;

/**
 * One advice on one method; names only, so that nothing is loaded for it.
 *
 * @param type binary name of the class to change; {@code *Name}, which must end in {@code Engine},
 *     for that simple name in any package, since libraries are often copied to another
 * @param method its name, {@code <init>} for a constructor; a pattern of String.matches
 * @param descriptor the JVM descriptor's beginning, or null for any
 * @param advice binary name of the advice class
 */
record Hook(String type, String method, @Nullable String descriptor, String advice) {
  static Hook of(String type, String method, @Nullable String descriptor, Class<?> advice) {
    return new Hook(type, method, descriptor, advice.getName());
  }
}
