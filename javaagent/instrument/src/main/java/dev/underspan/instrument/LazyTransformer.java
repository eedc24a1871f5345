package dev.underspan.instrument;

import java.lang.instrument.ClassFileTransformer;
import java.security.ProtectionDomain;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Looks at class names only; ByteBuddy is loaded when the first one matches. Classes of the JDK are
 * left alone until the daemon thread has loaded ByteBuddy, and retransformed then, so that start-up
 * does not wait for it.
 */
final class LazyTransformer implements ClassFileTransformer {
  private final Catalogue catalogue;
  private final ClassLoader agentLoader;

  /** Names of JDK classes that passed by before {@link #warm}. */
  private final Set<String> skipped = ConcurrentHashMap.newKeySet();

  private volatile boolean warm;

  LazyTransformer(Catalogue catalogue, ClassLoader agentLoader) {
    this.catalogue = catalogue;
    this.agentLoader = agentLoader;
  }

  @Override
  public byte @Nullable [] transform(
      @Nullable Module module,
      @Nullable ClassLoader loader,
      @Nullable String internalName,
      @Nullable Class<?> redefined,
      @Nullable ProtectionDomain domain,
      byte[] classFile) {
    try {
      if (internalName == null || (loader != null && loader == agentLoader)) {
        return null; // our own SDK has classes of the same names
      }
      List<Hook> hooks = catalogue.hooks(internalName);
      if (hooks.isEmpty()) {
        return null;
      }
      if (!warm && (loader == null || loader == ClassLoader.getPlatformClassLoader())) {
        skipped.add(internalName.replace('/', '.'));
        return null;
      }
      if (redefined != null
          && CarrierInstrumentation.isCarrier(hooks)
          && !CarrierInstrumentation.hasField(redefined)) {
        return null; // it was loaded before us, and a loaded class takes no further field
      }
      return Rewriter.rewrite(internalName, loader, classFile, hooks, agentLoader);
    } catch (Throwable t) {
      Underspan.adviceFailed("transform " + internalName, t);
      return null;
    }
  }

  /** From now on JDK classes are changed when they are loaded. */
  void warmUp() {
    Rewriter.warmUp();
    warm = true;
  }

  /**
   * Classes passed over so far; complete once {@link #warmUp} has returned and they are defined.
   */
  Set<String> skipped() {
    return skipped;
  }

  boolean wants(Class<?> type) {
    return !catalogue.hooks(type.getName().replace('.', '/')).isEmpty()
        && (type.getClassLoader() == null || type.getClassLoader() != agentLoader);
  }
}
