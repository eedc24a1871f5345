package java.lang;

/**
 * What the agent does when advice calls; implemented in the agent's own class loader. Every method
 * may be called on any application thread. {@link Underspan} catches and counts whatever is thrown.
 */
public interface UnderspanRuntime {

  /** Names of the headers that the propagators read, in the order of {@code propagationValues}. */
  String[] propagationFields();

  /**
   * A request enters its outermost handler on this thread.
   *
   * @return an opaque handle, or null when no span was started
   */
  Object serverStart(
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
      String[] propagationValues);

  /**
   * Whether {@link #requestRead} is to be called for a connection to this port.
   *
   * @param begins whether what was read begins like an HTTP request
   */
  boolean readWanted(int localPort, boolean begins);

  /**
   * The thread has read from a socket of a server that no advice knows.
   *
   * @param total how much it read, of which this is the beginning
   */
  void requestRead(byte[] data, int total, int localPort, String remoteAddress, int remotePort);

  /** Whether {@link #helloRead} is to be called. */
  boolean helloWanted(int localPort);

  /** The thread has read from a socket what begins like a hello of TLS. */
  void helloRead(byte[] data, int localPort, String remoteAddress, int remotePort);

  /** The request leaves this thread but is not finished (asynchronous servlet). */
  void serverSuspend(Object handle);

  /** The request continues on this thread, after {@link #serverSuspend}. */
  void serverResume(Object handle);

  /**
   * The request is finished: closes the span. Comes on the thread that started or resumed it or,
   * after {@link #serverSuspend}, on any thread.
   *
   * @param status HTTP status, 0 when unknown
   * @param route low-cardinality pattern that matched, or null
   * @param error what the handler threw, or null
   */
  void serverEnd(Object handle, int status, String route, Throwable error);

  /** The pattern that matched the request whose span is current here, unless one is known. */
  void serverRoute(String route);

  /** The context of the current span, null when there is none. */
  Object currentContext();

  /** Makes a context current on this thread; the result goes to {@link #detach}. */
  Object attach(Object context);

  /** Undoes {@link #attach}. */
  void detach(Object scope);

  /** Header names and values, alternating, to add to an outgoing HTTP request; or null. */
  String[] clientInject(String scheme, String host, int port);

  /** A TCP connection was taken out of the accept queue. */
  void accepted(long nanoTime, int localPort, int remotePort);

  /** A platform thread that the application itself starts, just before it is started. */
  void threadStarting(Thread thread);

  /** A virtual thread, just before it is started. */
  void virtualThreadStarting(Thread thread);

  /** On the carrier, before the virtual thread is mounted. No lock, allocation or class load. */
  void carrierMount(Thread virtual);

  /**
   * On the carrier, after the virtual thread was unmounted; it may already run elsewhere, so only
   * its id may be read. No lock, allocation or class load.
   */
  void carrierUnmount(Thread virtual);

  /**
   * The virtual thread waits for a carrier from now on. Comes on whichever thread made it so,
   * before any carrier can take it, and also on the thread itself when it yields. No lock,
   * allocation or class load.
   */
  void virtualRunnable(Thread virtual);

  /** On a thread of either kind, after its task has returned. */
  void threadEnded(Thread thread);

  /**
   * The current thread, platform or virtual, may be about to block, for the reason that is one of
   * {@link Underspan}'s constants. No lock, allocation or class load.
   *
   * @return whether {@link #unblocked} must follow; not so inside another such bracket
   */
  boolean blocking(int reason);

  /** Ends what {@link #blocking} has begun. */
  void unblocked();

  /**
   * Another OpenTelemetry has made a context current on this thread.
   *
   * @param storage the class that keeps contexts there
   * @param scope what undoes it
   */
  void contextAttached(Class<?> storage, Object context, Object scope);

  /** Such a scope was closed on this thread, and the context before it is current again. */
  void contextClosed(Object scope);

  /**
   * Another OpenTelemetry's SDK has made a span on this thread.
   *
   * @param kind as OpenTelemetry orders span kinds
   */
  void spanStarted(Object span, int kind, long startEpochNanos);

  /** Such a span is about to end on this thread; it can still be written to. */
  void spanEnding(Object span, long endEpochNanos);

  /** There is an SDK that makes spans; see {@link Underspan#tracerProviders}. */
  void tracerProviderBuilt(int whose);

  /** Whether the current thread belongs to the agent and must not be observed. */
  boolean isAgentThread();

  /** An advice failed; the application did not notice. */
  void adviceFailed(String name, Throwable error);
}
