package java.lang;

import java.lang.reflect.Field;
import java.lang.reflect.InaccessibleObjectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.DelayQueue;
import java.util.concurrent.Delayed;
import java.util.concurrent.ForkJoinTask;
import java.util.concurrent.ForkJoinWorkerThread;
import java.util.concurrent.Future;
import java.util.concurrent.PriorityBlockingQueue;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.locks.AbstractOwnableSynchronizer;
import java.util.concurrent.locks.StampedLock;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Entry points for advice. It stands in {@code java.lang} because class loaders that delegate
 * nothing else (OSGi, JBoss Modules) delegate {@code java.*}. Nothing here throws, and everything
 * is a no-op until a runtime is installed.
 */
public final class Underspan {
  /** For a lock that another thread holds. */
  public static final int LOCK = 1;

  /** For another thread's result. */
  public static final int WAIT = 2;

  /** For time to pass. */
  public static final int SLEEP = 3;

  /** For a socket. */
  public static final int NETWORK = 4;

  private static final Class<?> LATCH = latch();

  /** {@link #tracerProviders}: an application's own SDK. */
  public static final int APPLICATION = 1;

  /** {@link #tracerProviders}: the SDK of another agent. */
  public static final int AGENT = 2;

  private static volatile int tracerProviders;

  private static volatile UnderspanRuntime runtime;

  /** The request this thread works on; only the outermost layer has one. */
  private static final ThreadLocal<Request> REQUEST = new ThreadLocal<>();

  /** Set while the JDK starts a thread that serves everybody: a pool's worker, a poller. */
  private static final ThreadLocal<Boolean> STARTING_SERVANT = new ThreadLocal<>();

  private static final String[] NONE = {};

  private Underspan() {}

  private static Class<?> latch() {
    try {
      // Loads, with it, what parking() compares with.
      Class.forName(StampedLock.class.getName());
      return Class.forName("java.util.concurrent.CountDownLatch$Sync", false, null);
    } catch (ClassNotFoundException e) {
      return null;
    }
  }

  private static final class Request {
    final Object handle;
    String route;

    Request(Object handle) {
      this.handle = handle;
    }
  }

  /** Failures before there was a runtime to tell them to; then null. */
  private static List<Object[]> failedEarly = new ArrayList<>();

  private static final int MAX_FAILED_EARLY = 1000;

  /** Installs the runtime, or removes it with null. */
  public static void install(UnderspanRuntime newRuntime) {
    runtime = newRuntime;
    List<Object[]> early = null;
    synchronized (Underspan.class) {
      if (newRuntime != null) {
        early = failedEarly;
        failedEarly = null;
      }
    }
    if (early != null) {
      for (Object[] failure : early) {
        adviceFailed((String) failure[0], (Throwable) failure[1]);
      }
    }
  }

  /** Counts a failure inside advice. */
  public static void adviceFailed(String name, Throwable error) {
    UnderspanRuntime r = runtime;
    if (r == null) {
      synchronized (Underspan.class) {
        if (failedEarly != null && failedEarly.size() < MAX_FAILED_EARLY) {
          failedEarly.add(new Object[] {name, error});
        }
      }
    } else {
      try {
        r.adviceFailed(name, error);
      } catch (Throwable ignored) {
        // There is nobody left to tell.
      }
    }
  }

  // ---- HTTP server -------------------------------------------------------------------------

  /** Whether a server entry should collect its arguments: a runtime, no outer layer, no agent. */
  public static boolean serverWanted() {
    UnderspanRuntime r = runtime;
    try {
      return r != null && REQUEST.get() == null && !r.isAgentThread();
    } catch (Throwable t) {
      adviceFailed("serverWanted", t);
      return false;
    }
  }

  /** Names of the headers to pass to {@link #serverStart}. */
  public static String[] propagationFields() {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        String[] fields = r.propagationFields();
        return fields == null ? NONE : fields;
      } catch (Throwable t) {
        adviceFailed("propagationFields", t);
      }
    }
    return NONE;
  }

  /** Opens a server span on this thread; null when there is none to end. */
  public static Object serverStart(
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
    UnderspanRuntime r = runtime;
    if (r != null && REQUEST.get() == null) {
      try {
        Object handle =
            r.serverStart(
                component,
                method,
                scheme,
                path,
                query,
                hostHeader,
                clientAddress,
                clientPort,
                localPort,
                protocolVersion,
                userAgent,
                propagationValues);
        if (handle != null) {
          Request request = new Request(handle);
          REQUEST.set(request);
          return request;
        }
      } catch (Throwable t) {
        adviceFailed("serverStart", t);
      }
    }
    return null;
  }

  /** Notes the route of the request on this thread; the first one that is not null stays. */
  public static void serverRoute(String route) {
    Request request = REQUEST.get();
    if (request != null) {
      if (route != null && request.route == null) {
        request.route = route;
      }
      return;
    }
    UnderspanRuntime r = runtime;
    if (r != null && route != null) {
      try {
        r.serverRoute(route);
      } catch (Throwable t) {
        adviceFailed("serverRoute", t);
      }
    }
  }

  /** Whether the request on this thread still lacks a route. */
  public static boolean serverRouteWanted() {
    Request request = REQUEST.get();
    return request != null && request.route == null;
  }

  /** The request of this thread, to be kept with it for {@link #serverResume}; or null. */
  public static Object serverCurrent() {
    return REQUEST.get();
  }

  /**
   * A listener that ends the request, for servers that tell completion through a Consumer.
   *
   * @param response asked for its status, through a method of {@code responseType}, at completion
   */
  public static Consumer<Throwable> serverCompletion(
      Object opened, Object response, Class<?> responseType) {
    return new Completion(opened, response, responseType);
  }

  private static final class Completion implements Consumer<Throwable> {
    private final Object opened;
    private final Object response;
    private final Class<?> responseType;

    Completion(Object opened, Object response, Class<?> responseType) {
      this.opened = opened;
      this.response = response;
      this.responseType = responseType;
    }

    @Override
    public void accept(Throwable error) {
      int status = 0;
      try {
        status = (Integer) responseType.getMethod("getStatus").invoke(response);
      } catch (Throwable t) {
        adviceFailed("serverCompletion", t);
      }
      serverEnd(opened, status, null, error);
    }
  }

  /** The thread lets go of an unfinished request. */
  public static void serverSuspend(Object opened) {
    if (opened instanceof Request request) {
      if (REQUEST.get() == request) {
        REQUEST.remove();
      }
      UnderspanRuntime r = runtime;
      if (r != null) {
        try {
          r.serverSuspend(request.handle);
        } catch (Throwable t) {
          adviceFailed("serverSuspend", t);
        }
      }
    }
  }

  /** Takes a suspended request up again on this thread; null when there is none to take. */
  public static Object serverResume(Object opened) {
    UnderspanRuntime r = runtime;
    if (r != null && opened instanceof Request request && REQUEST.get() == null) {
      try {
        REQUEST.set(request);
        r.serverResume(request.handle);
      } catch (Throwable t) {
        adviceFailed("serverResume", t);
      }
      return request;
    }
    return null;
  }

  /** Ends what {@link #serverStart} or {@link #serverResume} returned. */
  public static void serverEnd(Object opened, int status, String route, Throwable error) {
    if (opened instanceof Request request) {
      if (REQUEST.get() == request) {
        REQUEST.remove();
      }
      UnderspanRuntime r = runtime;
      if (r != null) {
        try {
          r.serverEnd(request.handle, status, route == null ? request.route : route, error);
        } catch (Throwable t) {
          adviceFailed("serverEnd", t);
        }
      }
    }
  }

  // ---- sockets of servers --------------------------------------------------------------------

  private static final int MAX_READ = 16_384;
  private static final int MAX_HELLO = 64;
  private static final int HANDSHAKE = 0x16;

  /** Whether reads are told that begin neither a request nor TLS. */
  private static volatile boolean everyRead;

  /** From now on such reads are asked for, too. */
  public static void tellEveryRead() {
    everyRead = true;
  }

  private static boolean beginsRequest(byte first, byte second, byte third, byte fourth) {
    return switch (first << 24 | second << 16 | third << 8 | fourth) {
      case 'G' << 24 | 'E' << 16 | 'T' << 8 | ' ',
          'P' << 24 | 'O' << 16 | 'S' << 8 | 'T',
          'P' << 24 | 'U' << 16 | 'T' << 8 | ' ',
          'H' << 24 | 'E' << 16 | 'A' << 8 | 'D',
          'D' << 24 | 'E' << 16 | 'L' << 8 | 'E',
          'P' << 24 | 'A' << 16 | 'T' << 8 | 'C',
          'O' << 24 | 'P' << 16 | 'T' << 8 | 'I' ->
          true;
      default -> false;
    };
  }

  /** The JDK's stream of a socket has read. */
  public static void streamRead(
      byte[] data, int offset, int length, int localPort, InetAddress remote, int remotePort) {
    if (length < 1) {
      return;
    }
    boolean begins =
        length >= 16
            && beginsRequest(data[offset], data[offset + 1], data[offset + 2], data[offset + 3]);
    boolean hello = length >= MAX_HELLO && data[offset] == HANDSHAKE && data[offset + 1] == 3;
    if (!begins && !hello && !everyRead) {
      return;
    }
    UnderspanRuntime r = runtime;
    try {
      if (r == null || REQUEST.get() != null) {
        return;
      }
      if (hello && r.helloWanted(localPort)) {
        byte[] head = Arrays.copyOfRange(data, offset, offset + MAX_HELLO);
        r.helloRead(head, localPort, remote.getHostAddress(), remotePort);
      } else if (!hello && r.readWanted(localPort, begins)) {
        byte[] head = Arrays.copyOfRange(data, offset, offset + Math.min(length, MAX_READ));
        r.requestRead(head, length, localPort, remote.getHostAddress(), remotePort);
      }
    } catch (Throwable t) {
      adviceFailed("streamRead", t);
    }
  }

  /** A socket channel has read; the buffer's position is behind that. */
  public static void channelRead(
      ByteBuffer buffer, int length, SocketAddress local, SocketAddress remote) {
    if (length < 1) {
      return;
    }
    int begin = buffer.position() - length;
    boolean begins =
        length >= 16
            && beginsRequest(
                buffer.get(begin),
                buffer.get(begin + 1),
                buffer.get(begin + 2),
                buffer.get(begin + 3));
    boolean hello =
        length >= MAX_HELLO && buffer.get(begin) == HANDSHAKE && buffer.get(begin + 1) == 3;
    if ((!begins && !hello && !everyRead)
        || !(local instanceof InetSocketAddress here)
        || !(remote instanceof InetSocketAddress there)) {
      return;
    }
    UnderspanRuntime r = runtime;
    try {
      if (r == null || REQUEST.get() != null) {
        return;
      }
      if (hello && r.helloWanted(here.getPort())) {
        byte[] head = new byte[MAX_HELLO];
        buffer.get(begin, head);
        r.helloRead(head, here.getPort(), there.getAddress().getHostAddress(), there.getPort());
      } else if (!hello && r.readWanted(here.getPort(), begins)) {
        byte[] head = new byte[Math.min(length, MAX_READ)];
        buffer.get(begin, head);
        r.requestRead(
            head, length, here.getPort(), there.getAddress().getHostAddress(), there.getPort());
      }
    } catch (Throwable t) {
      adviceFailed("channelRead", t);
    }
  }

  // ---- HTTP client -------------------------------------------------------------------------

  /** Header names and values to add to an outgoing request, or null. */
  public static String[] clientInject(String scheme, String host, int port) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        return r.isAgentThread() ? null : r.clientInject(scheme, host, port);
      } catch (Throwable t) {
        adviceFailed("clientInject", t);
      }
    }
    return null;
  }

  // ---- context -----------------------------------------------------------------------------

  static Object context() {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        return r.currentContext();
      } catch (Throwable t) {
        adviceFailed("currentContext", t);
      }
    }
    return null;
  }

  static Object attach(Object context) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        return r.attach(context);
      } catch (Throwable t) {
        adviceFailed("attach", t);
      }
    }
    return null;
  }

  static void detach(Object scope) {
    UnderspanRuntime r = runtime;
    if (r != null && scope != null) {
      try {
        r.detach(scope);
      } catch (Throwable t) {
        adviceFailed("detach", t);
      }
    }
  }

  /** Stands for no context where one was looked for. */
  private static final Object NOTHING = new Object();

  /** What is current on this thread, to be kept with an object for {@link #restore}. */
  public static Object capture() {
    UnderspanRuntime r = runtime;
    try {
      if (r == null || r.isAgentThread()) {
        return null; // the agent's own libraries may be changed as well
      }
      Object context = r.currentContext();
      return context == null ? NOTHING : context;
    } catch (Throwable t) {
      adviceFailed("capture", t);
      return null;
    }
  }

  /** Name of the field in which an object of a changed class keeps what was captured. */
  public static final String FIELD = "underspan$context";

  private static final ClassValue<Optional<Field>> FIELDS =
      new ClassValue<>() {
        @Override
        protected Optional<Field> computeValue(Class<?> type) {
          for (Class<?> at = type; at != null; at = at.getSuperclass()) {
            try {
              Field field = at.getDeclaredField(FIELD);
              field.setAccessible(true);
              return Optional.of(field);
            } catch (NoSuchFieldException e) {
              // maybe its superclass
            } catch (InaccessibleObjectException e) {
              adviceFailed("field of " + at.getName(), e); // once a class: its module is closed
              return Optional.empty();
            }
          }
          return Optional.empty();
        }
      };

  /** Has the object keep something; false if its class is not changed. */
  static boolean keep(Object carrier, Object kept) {
    try {
      Optional<Field> field = FIELDS.get(carrier.getClass());
      if (field.isPresent()) {
        field.get().set(carrier, kept);
        return true;
      }
    } catch (Throwable t) {
      adviceFailed("keep", t);
    }
    return false;
  }

  /** What an object captured or keeps; null if its class is not changed. */
  public static Object capturedBy(Object carrier) {
    try {
      Optional<Field> field = FIELDS.get(carrier.getClass());
      return field.isPresent() ? field.get().get(carrier) : null;
    } catch (Throwable t) {
      adviceFailed("capturedBy", t);
      return null;
    }
  }

  /** Makes current what was captured, also if that was nothing; {@link #restored} must follow. */
  public static Object restore(Object captured) {
    return captured == null ? null : attach(captured == NOTHING ? null : captured);
  }

  /** Undoes {@link #restore}. */
  public static void restored(Object scope) {
    detach(scope);
  }

  /** Wraps a task that runs later but once; the JDK's own timers stay as they are. */
  public static Runnable wrapDelayed(Runnable task) {
    return task != null && task.getClass().getName().startsWith("java.") ? task : wrap(task);
  }

  private static boolean plain(Object task) {
    return task != null && !(task instanceof UnderspanTask);
  }

  /** Wraps a task, when a span is current. */
  public static Runnable wrap(Runnable task) {
    Object context = plain(task) ? context() : null;
    return context == null ? task : new UnderspanTask.OfRunnable(task, context);
  }

  /** Wraps a task, when a span is current. */
  public static <T> Callable<T> wrap(Callable<T> task) {
    Object context = plain(task) ? context() : null;
    return context == null ? task : new UnderspanTask.OfCallable<>(task, context);
  }

  /** Wraps every task of a collection, when a span is current; order and size stay. */
  public static <T> Collection<? extends Callable<T>> wrapAll(
      Collection<? extends Callable<T>> tasks) {
    if (tasks == null || context() == null) {
      return tasks;
    }
    try {
      List<Callable<T>> wrapped = new ArrayList<>(tasks.size());
      for (Callable<T> task : tasks) {
        wrapped.add(wrap(task));
      }
      return wrapped;
    } catch (Throwable t) {
      adviceFailed("wrapAll", t);
      return tasks;
    }
  }

  /** Wraps a stage's function of whichever functional type, when a span is current. */
  public static Object wrapStage(Object function) {
    Object context = plain(function) ? context() : null;
    if (context == null) {
      return function;
    }
    if (function instanceof Function<?, ?> f) {
      return new UnderspanTask.OfFunction<>(f, context);
    }
    if (function instanceof BiFunction<?, ?, ?> f) {
      return new UnderspanTask.OfBiFunction<>(f, context);
    }
    if (function instanceof Consumer<?> f) {
      return new UnderspanTask.OfConsumer<>(f, context);
    }
    if (function instanceof BiConsumer<?, ?> f) {
      return new UnderspanTask.OfBiConsumer<>(f, context);
    }
    if (function instanceof Supplier<?> f) {
      return new UnderspanTask.OfSupplier<>(f, context);
    }
    if (function instanceof Runnable f) {
      return new UnderspanTask.OfRunnable(f, context);
    }
    return function;
  }

  /** Wraps what an event loop is to execute; what is to come later has its context already. */
  public static Runnable wrapForLoop(Runnable task) {
    return task instanceof ScheduledFuture ? task : wrap(task);
  }

  /**
   * Wraps what an event loop is to do later, but not its own timers, which come again and again.
   */
  public static Runnable wrapForLoopLater(Runnable task) {
    return task == null || isTimer(task.getClass().getName()) ? task : wrap(task);
  }

  private static boolean isTimer(String name) {
    return name.startsWith("io.netty.") || name.startsWith("io.grpc.") || name.startsWith("java.");
  }

  /** Wraps what a thread pool is to execute, unless pool or task would notice. */
  public static Runnable wrapForPool(Runnable task, BlockingQueue<Runnable> queue) {
    return task instanceof Future
            || task instanceof Comparable
            || task instanceof Delayed
            || task instanceof CompletableFuture.AsynchronousCompletionTask
            || queue instanceof PriorityBlockingQueue
            || queue instanceof DelayQueue
            || queue == null
            || queue.getClass().getClassLoader() != null
        ? task
        : wrap(task);
  }

  /** Its context is the virtual thread's own, and not of whoever makes it runnable. */
  private static boolean continuesVirtualThread(Runnable task) {
    return task != null && task.getClass().getName().startsWith("java.lang.VirtualThread");
  }

  /** Wraps what a fork-join pool is to execute. */
  public static Runnable wrapForForkJoin(Runnable task) {
    return task instanceof ForkJoinTask
            || task instanceof CompletableFuture.AsynchronousCompletionTask
            || continuesVirtualThread(task)
        ? task
        : wrap(task);
  }

  /** The application's own task: for hooks and handlers that may know its type. */
  public static Runnable unwrap(Runnable task) {
    return task instanceof UnderspanTask wrapped ? (Runnable) wrapped.delegate : task;
  }

  /** {@link #unwrap} for every element, in place. */
  public static void unwrapAll(List<Runnable> tasks) {
    if (tasks != null) {
      for (int i = 0; i < tasks.size(); i++) {
        tasks.set(i, unwrap(tasks.get(i)));
      }
    }
  }

  /** An object equal to a queued task whether it was wrapped or not. */
  public static Runnable sought(Runnable task) {
    return plain(task) && runtime != null ? new UnderspanTask.Sought(task) : task;
  }

  // ---- connections and threads ---------------------------------------------------------------

  /** A connection was accepted just now. */
  public static void accepted(int localPort, int remotePort) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        r.accepted(System.nanoTime(), localPort, remotePort);
      } catch (Throwable t) {
        adviceFailed("accepted", t);
      }
    }
  }

  /** Brackets the start of threads that serve everybody, not who happens to start them. */
  public static void startingServant(boolean starting) {
    if (runtime != null) {
      if (starting) {
        STARTING_SERVANT.set(Boolean.TRUE);
      } else {
        STARTING_SERVANT.remove();
      }
    }
  }

  /** A platform thread is about to start; passes on those that the application starts itself. */
  public static void threadStarting(Thread thread) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        if (!internal(thread) && STARTING_SERVANT.get() == null && !r.isAgentThread()) {
          r.threadStarting(thread);
        }
      } catch (Throwable t) {
        adviceFailed("threadStarting", t);
      }
    }
  }

  private static boolean internal(Thread thread) {
    if (thread instanceof ForkJoinWorkerThread) {
      return true;
    }
    Class<?> type = thread.getClass();
    if (type != Thread.class) {
      // java.util.Timer, InnocuousThread, the HTTP client's selector and the like.
      ClassLoader loader = type.getClassLoader();
      if (loader == null || loader == ClassLoader.getPlatformClassLoader()) {
        return true;
      }
      // Kafka's threads serve all who use the client, not whoever has made it.
      for (Class<?> at = type; at != Thread.class; at = at.getSuperclass()) {
        if (at.getName().equals("org.apache.kafka.common.utils.KafkaThread")) {
          return true;
        }
      }
    }
    ThreadGroup group = thread.getThreadGroup();
    return group == null || group.getParent() == null;
  }

  /** A virtual thread is about to start. */
  public static void virtualThreadStarting(Thread thread) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        if (STARTING_SERVANT.get() == null) {
          r.virtualThreadStarting(thread);
        }
      } catch (Throwable t) {
        adviceFailed("virtualThreadStarting", t);
      }
    }
  }

  /** On the carrier: nothing here may lock, allocate or load a class. */
  public static void carrierMount(Thread virtual) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        r.carrierMount(virtual);
      } catch (Throwable t) {
        adviceFailed("carrierMount", t);
      }
    }
  }

  /** On the carrier: nothing here may lock, allocate, load a class or touch the virtual thread. */
  public static void carrierUnmount(Thread virtual) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        r.carrierUnmount(virtual);
      } catch (Throwable t) {
        adviceFailed("carrierUnmount", t);
      }
    }
  }

  /** Before a carrier can take the virtual thread: nothing here may lock, allocate or load. */
  public static void virtualRunnable(Thread virtual) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        r.virtualRunnable(virtual);
      } catch (Throwable t) {
        adviceFailed("virtualRunnable", t);
      }
    }
  }

  /** On a thread of either kind, its task done. */
  public static void threadEnded(Thread virtual) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        r.threadEnded(virtual);
      } catch (Throwable t) {
        adviceFailed("threadEnded", t);
      }
    }
  }

  // ---- another OpenTelemetry -----------------------------------------------------------------

  /** A span of another SDK has been made on this thread. */
  public static void spanStarted(Object span, Object kind, long startEpochNanos) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        r.spanStarted(span, kind instanceof Enum<?> e ? e.ordinal() : 0, startEpochNanos);
      } catch (Throwable t) {
        adviceFailed("spanStarted", t);
      }
    }
  }

  /** It is about to end; called for every try to end it. */
  public static void spanEnding(Object span, long endEpochNanos) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        r.spanEnding(span, endEpochNanos);
      } catch (Throwable t) {
        adviceFailed("spanEnding", t);
      }
    }
  }

  /** Another OpenTelemetry's context has become current on this thread. */
  public static void contextAttached(Class<?> storage, Object context, Object scope) {
    UnderspanRuntime r = runtime;
    if (r != null && context != null && scope != null) {
      try {
        r.contextAttached(storage, context, scope);
      } catch (Throwable t) {
        adviceFailed("contextAttached", t);
      }
    }
  }

  /** What was current before the scope's context is current again. */
  public static void contextClosed(Object scope) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        r.contextClosed(scope);
      } catch (Throwable t) {
        adviceFailed("contextClosed", t);
      }
    }
  }

  /** An SDK was built; counts if it has span processors, without which its spans go nowhere. */
  public static void tracerProviderBuilt(Object provider, Object[] arguments) {
    try {
      for (Object argument : arguments) {
        if (argument instanceof List<?> processors && !processors.isEmpty()) {
          ClassLoader loader = provider.getClass().getClassLoader();
          boolean agent =
              loader != null
                  && loader.getClass().getName().startsWith("io.opentelemetry.javaagent.");
          int whose = agent ? AGENT : APPLICATION;
          synchronized (Underspan.class) {
            tracerProviders |= whose;
          }
          UnderspanRuntime r = runtime;
          if (r != null) {
            r.tracerProviderBuilt(whose);
          }
          return;
        }
      }
    } catch (Throwable t) {
      adviceFailed("tracerProviderBuilt", t);
    }
  }

  /** Whose SDKs have been built so far: {@link #APPLICATION}, {@link #AGENT}, or both added. */
  public static int tracerProviders() {
    return tracerProviders;
  }

  // ---- why a thread is about to block --------------------------------------------------------

  /** Announces it; the result says whether {@link #unblocked} must follow. */
  public static boolean blocking(int reason) {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        return r.blocking(reason);
      } catch (Throwable t) {
        adviceFailed("blocking", t);
      }
    }
    return false;
  }

  /** Announces that the thread parks; what it parks for says why. */
  public static boolean parking(Object blocker) {
    // Conditions are no AbstractOwnableSynchronizer, but a latch is.
    boolean lock =
        blocker instanceof AbstractOwnableSynchronizer
            ? blocker.getClass() != LATCH
            : blocker instanceof StampedLock;
    return blocking(lock ? LOCK : WAIT);
  }

  /** It has not blocked, or is through. */
  public static void unblocked() {
    UnderspanRuntime r = runtime;
    if (r != null) {
      try {
        r.unblocked();
      } catch (Throwable t) {
        adviceFailed("unblocked", t);
      }
    }
  }
}
