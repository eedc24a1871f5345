package dev.underspan.instrument;

import java.lang.instrument.ClassFileTransformer;
import java.util.function.Predicate;

/** Looks at class names only. */
final class LazyTransformer implements ClassFileTransformer {
  LazyTransformer(ClassLoader agentLoader, Predicate<String> enabled) {}
}
