package dev.underspan.instrument;

import java.io.IOException;
import java.io.InputStream;
import java.lang.instrument.Instrumentation;
import java.lang.invoke.MethodHandles;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Defines the bootstrap classes inside {@code java.lang}. Appending a jar to the bootstrap class
 * path instead would switch class data sharing off for the application's classes.
 */
public final class BootstrapInjector {
  /** Supertypes first: a definition resolves its supertypes at once. */
  private static final List<String> CLASSES =
      List.of(
          "UnderspanRuntime",
          "UnderspanTask",
          "UnderspanTask$OfRunnable",
          "UnderspanTask$OfCallable",
          "UnderspanTask$OfSupplier",
          "UnderspanTask$OfFunction",
          "UnderspanTask$OfBiFunction",
          "UnderspanTask$OfConsumer",
          "UnderspanTask$OfBiConsumer",
          "UnderspanTask$Sought",
          "Underspan$Request",
          "Underspan$Completion",
          "Underspan$1",
          "Underspan",
          "UnderspanTlsRuntime",
          "UnderspanTlsInput",
          "UnderspanTlsOutput",
          "UnderspanTls",
          "UnderspanHttpChannel$Exchange",
          "UnderspanHttpChannel",
          "UnderspanHttp2$Request",
          "UnderspanHttp2",
          "UnderspanOutbound$Turn",
          "UnderspanOutbound",
          "UnderspanRpc$Call",
          "UnderspanRpc",
          "UnderspanKafkaRuntime",
          "UnderspanKafka$Consumer",
          "UnderspanKafka$Polled",
          "UnderspanKafka$Records",
          "UnderspanKafka$RecordIterable",
          "UnderspanKafka$RecordList",
          "UnderspanKafka");

  private BootstrapInjector() {}

  /**
   * Defines and initialises the classes, once a JVM; a second call does nothing.
   *
   * @param resourcePrefix where this class's loader finds the class files, for example {@code
   *     "boot/"} for {@code boot/java/lang/Underspan.class}; their suffix may be {@code .class} or
   *     {@code .classdata}
   * @throws IOException when a class file is missing
   * @throws IllegalAccessException when the JVM refuses access to java.lang
   */
  public static synchronized void inject(Instrumentation instrumentation, String resourcePrefix)
      throws IOException, IllegalAccessException {
    if (isPresent()) {
      return;
    }
    instrumentation.redefineModule(
        Object.class.getModule(),
        Set.of(),
        Map.of(),
        Map.of("java.lang", Set.of(BootstrapInjector.class.getModule())),
        Set.of(),
        Map.of());
    MethodHandles.Lookup lookup =
        MethodHandles.privateLookupIn(Object.class, MethodHandles.lookup());
    for (String name : CLASSES) {
      // Initialised now: advice on mount and unmount must find it so.
      lookup.ensureInitialized(lookup.defineClass(read(resourcePrefix + "java/lang/" + name)));
    }
  }

  private static boolean isPresent() {
    try {
      Class.forName("java.lang.Underspan", true, null);
      return true;
    } catch (ClassNotFoundException e) {
      return false;
    }
  }

  private static byte[] read(String path) throws IOException {
    ClassLoader loader = BootstrapInjector.class.getClassLoader();
    for (String suffix : List.of(".class", ".classdata")) {
      try (InputStream in =
          loader == null
              ? ClassLoader.getSystemResourceAsStream(path + suffix)
              : loader.getResourceAsStream(path + suffix)) {
        if (in != null) {
          return in.readAllBytes();
        }
      }
    }
    throw new IOException("class file missing in the agent: " + path + ".class");
  }
}
