package dev.underspan.instrument;

import java.lang.instrument.Instrumentation;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.function.Predicate;

/** Entry point of the module. */
public final class Instrumenter {
  /** A class seen by the transformer is defined within microseconds; this is generous. */
  private static final int SCANS = 50;

  private static final CountDownLatch READY = new CountDownLatch(1);

  private Instrumenter() {}

  /**
   * Registers the transformer and returns at once; loaded JDK classes follow on a daemon thread.
   * Call {@link BootstrapInjector#inject} first.
   *
   * @param agentLoader finds the advice classes
   * @param enabled asked with the name of each instrumentation: servlet, tomcat, jetty,
   *     jdk-httpserver, netty, grpc, webflux, executor, event-loop, carrier, thread, blocking,
   *     http-client, okhttp, apache-httpclient, kafka, accept, tls, opentelemetry
   */
  public static void install(
      Instrumentation instrumentation, ClassLoader agentLoader, Predicate<String> enabled) {
    LazyTransformer transformer = new LazyTransformer(new Catalogue(enabled), agentLoader);
    instrumentation.addTransformer(transformer, true);
    Thread thread =
        new Thread(() -> retransform(instrumentation, transformer), "underspan-instrument");
    thread.setDaemon(true);
    thread.setContextClassLoader(null);
    thread.start();
  }

  /** Waits until the JDK classes loaded so far have been changed. */
  public static void awaitReady() throws InterruptedException {
    READY.await();
  }

  private static void retransform(Instrumentation instrumentation, LazyTransformer transformer) {
    try {
      transformer.warmUp();
      Set<Class<?>> done = new HashSet<>();
      for (int scan = 0; scan < SCANS; scan++) {
        List<Class<?>> pending = new ArrayList<>();
        Set<String> missing = new HashSet<>(transformer.skipped());
        for (Class<?> type : instrumentation.getAllLoadedClasses()) {
          if (transformer.wants(type)) {
            missing.remove(type.getName());
            if (done.add(type) && instrumentation.isModifiableClass(type)) {
              pending.add(type);
            }
          }
        }
        for (Class<?> type : pending) {
          retransform(instrumentation, type);
        }
        if (missing.isEmpty()) {
          break;
        }
        Thread.sleep(10);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (Throwable t) {
      Underspan.adviceFailed("retransform", t);
    } finally {
      READY.countDown();
    }
  }

  private static void retransform(Instrumentation instrumentation, Class<?> type) {
    // One by one: one that the JVM refuses must not cost the others.
    try {
      instrumentation.retransformClasses(type);
    } catch (Throwable t) {
      Underspan.adviceFailed("retransform " + type.getName(), t);
    }
  }
}
