package java.lang;

import java.nio.channels.ClosedChannelException;

/**
 * The streams of an HTTP/2 connection of Netty's. Each keeps, in the field that was added to it,
 * the request that it answers or the context in which it was opened to ask. Nothing here throws.
 */
public final class UnderspanHttp2 {
  /** A request whose head was read, and whose stream is about to be made on this thread. */
  private static final ThreadLocal<Request> READ = new ThreadLocal<>();

  private static final int OK = 200;

  private UnderspanHttp2() {}

  private static final class Request {
    /** As from {@link Underspan#serverStart}. */
    final Object opened;

    final Object context;
    int status;
    boolean answered;
    boolean ended;

    Request(Object opened, Object context) {
      this.opened = opened;
      this.context = context;
    }
  }

  /**
   * A new request's head was read, of which {@link Underspan#serverStart} has made this; its stream
   * is made before {@link #headHandled}, which must follow.
   */
  public static Object requestRead(Object opened) {
    if (opened == null) {
      return null;
    }
    Object context = Underspan.context();
    Underspan.serverSuspend(opened);
    READ.set(new Request(opened, context));
    return context == null ? null : Underspan.attach(context);
  }

  /** A head was handled, of a request or not; without a stream by now, there will be none. */
  public static void headHandled(Object scope) {
    Request refused = READ.get();
    if (refused != null) {
      READ.remove();
      end(refused);
    }
    Underspan.detach(scope);
  }

  /** What a new stream is to keep. */
  public static Object streamMade() {
    Request read = READ.get();
    if (read == null) {
      return Underspan.capture();
    }
    READ.remove();
    return read;
  }

  /** Something of a stream is about to be handled; {@link Underspan#restored} must follow. */
  public static Object handling(Object stream) {
    Object kept = stream == null ? null : Underspan.capturedBy(stream);
    if (kept instanceof Request request) {
      return request.context == null ? null : Underspan.attach(request.context);
    }
    return Underspan.restore(kept);
  }

  /**
   * A part of an answer is written.
   *
   * @param status HTTP's, 0 if the part has none
   * @param last whether nothing follows
   */
  public static void answering(Object stream, int status, boolean last) {
    if (stream != null && Underspan.capturedBy(stream) instanceof Request request) {
      synchronized (request) {
        if (status >= OK) {
          request.status = status;
        }
        request.answered |= last;
      }
    }
  }

  /** No more is to be written to a stream, or it is closed as a whole. */
  public static void streamClosed(Object kept) {
    if (kept instanceof Request request) {
      end(request);
    }
  }

  private static void end(Request request) {
    ClosedChannelException error = null;
    synchronized (request) {
      if (request.ended) {
        return;
      }
      request.ended = true;
      if (!request.answered) {
        error = new ClosedChannelException();
        error.setStackTrace(new StackTraceElement[0]); // it would show the event loop only
      }
    }
    Underspan.serverEnd(request.opened, request.status, null, error);
  }
}
