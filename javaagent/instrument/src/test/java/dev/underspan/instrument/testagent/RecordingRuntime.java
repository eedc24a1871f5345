package dev.underspan.instrument.testagent;

import java.util.Arrays;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLongArray;

/** Records calls; shares JDK objects with the application through the system properties. */
final class RecordingRuntime implements UnderspanRuntime {
  private static final ThreadLocal<Object> context = new ThreadLocal<>();
  private final Queue<String> events = new ConcurrentLinkedQueue<>();

  /** mounts, unmounts, virtual threads started, ended; contexts attached. */
  private final AtomicLongArray counts = new AtomicLongArray(5);

  RecordingRuntime() {
    System.getProperties().put("test.context", context);
    System.getProperties().put("test.events", events);
    System.getProperties().put("test.counts", counts);
  }

  @Override
  public String[] propagationFields() {
    return new String[] {"traceparent"};
  }

  @Override
  public Object serverStart(
      String component,
      String method,
      String scheme,
      String path,
      String query,
      String hostHeader,
      String clientAddress,
      int clientPort,
      int localPort,
      String protocolVersion,
      String userAgent,
      String[] propagationValues) {
    events.add(
        "start "
            + String.join(" ", Arrays.asList(component, method, scheme, path, query, clientAddress))
            + (clientPort > 0 && localPort > 0 && hostHeader != null && userAgent != null)
            + " "
            + protocolVersion
            + " "
            + Arrays.toString(propagationValues));
    context.set("server:" + path);
    return "server:" + path;
  }

  @Override
  public boolean readWanted(int localPort, boolean begins) {
    return false;
  }

  @Override
  public void requestRead(
      byte[] data, int total, int localPort, String remoteAddress, int remotePort) {
    throw new AssertionError("not wanted");
  }

  @Override
  public boolean helloWanted(int localPort) {
    return false;
  }

  @Override
  public void helloRead(byte[] data, int localPort, String remoteAddress, int remotePort) {
    throw new AssertionError("not wanted");
  }

  @Override
  public void serverSuspend(Object handle) {
    context.remove();
  }

  @Override
  public void serverResume(Object handle) {
    events.add("resume");
    context.set(handle);
  }

  @Override
  public void serverEnd(Object handle, int status, String route, Throwable error) {
    events.add("end " + handle + " " + status + " " + route + " " + error);
    context.remove();
  }

  @Override
  public void serverRoute(String route) {
    events.add("route " + context.get() + " " + route);
  }

  @Override
  public Object currentContext() {
    return context.get();
  }

  @Override
  public Object attach(Object attached) {
    counts.incrementAndGet(4);
    Object before = context.get();
    context.set(attached);
    return new Object[] {before};
  }

  @Override
  public void detach(Object scope) {
    context.set(((Object[]) scope)[0]);
  }

  @Override
  public String[] clientInject(String scheme, String host, int port) {
    return context.get() == null ? null : new String[] {"traceparent", "tp-" + context.get()};
  }

  @Override
  public void accepted(long nanoTime, int localPort, int remotePort) {
    events.add("accepted " + (localPort > 0 && remotePort > 0 && localPort != remotePort));
  }

  @Override
  public void threadStarting(Thread thread) {
    events.add("thread " + thread.getName());
  }

  @Override
  public void virtualThreadStarting(Thread thread) {
    counts.incrementAndGet(2);
  }

  @Override
  public void carrierMount(Thread virtual) {
    counts.incrementAndGet(0);
  }

  @Override
  public void carrierUnmount(Thread virtual) {
    counts.incrementAndGet(1);
  }

  @Override
  public void virtualRunnable(Thread virtual) {}

  @Override
  public boolean blocking(int reason) {
    return false;
  }

  @Override
  public void unblocked() {}

  @Override
  public void threadEnded(Thread thread) {
    if (!thread.getClass().getName().equals("java.lang.VirtualThread")) {
      return;
    }
    counts.incrementAndGet(3);
  }

  @Override
  public void contextAttached(Class<?> storage, Object attached, Object scope) {}

  @Override
  public void contextClosed(Object scope) {}

  @Override
  public void spanStarted(Object span, int kind, long startEpochNanos) {}

  @Override
  public void spanEnding(Object span, long endEpochNanos) {}

  @Override
  public void tracerProviderBuilt(int whose) {}

  @Override
  public boolean isAgentThread() {
    return false;
  }

  @Override
  public void adviceFailed(String name, Throwable error) {
    events.add("failed " + name + " " + error);
    error.printStackTrace();
  }
}
