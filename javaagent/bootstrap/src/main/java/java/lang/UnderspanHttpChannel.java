package java.lang;

import java.nio.channels.ClosedChannelException;
import java.util.ArrayDeque;

/**
 * The HTTP/1.1 exchanges of one Netty channel, in order: those that it answers, or those that it
 * asks. Kept as an attribute of the channel. Decoder and encoder run on its event loop as a rule,
 * so the lock is free. Nothing here throws.
 */
public final class UnderspanHttpChannel {
  /** Name of the channel's attribute. */
  public static final String KEY = "dev.underspan.http";

  /** More unanswered requests than this on one connection are not traced. */
  private static final int LIMIT = 1024;

  private static final int SWITCHING_PROTOCOLS = 101;
  private static final int OK = 200;

  /** From the encoder's entry to the request line, on one thread. */
  private static final ThreadLocal<String[]> HEADERS = new ThreadLocal<>();

  /** Whether the pipeline has TLS, as its first exchange has found. */
  private final boolean secure;

  /** Requests without an answer, and answers that have not left yet; eldest first. */
  private final ArrayDeque<Exchange> exchanges = new ArrayDeque<>(4);

  /** Of which parts are being read; null between messages. */
  private Exchange inbound;

  /** Its last part was read, and is still to be handled. */
  private boolean inboundEnds;

  /** What is being written or read is an interim answer (1xx). */
  private boolean interim;

  /** New for a channel. */
  public UnderspanHttpChannel(boolean secure) {
    this.secure = secure;
  }

  private static final class Exchange {
    /** As from {@link Underspan#serverStart}; null for a request that is asked, or not traced. */
    final Object opened;

    final Object context;

    /** Whether it is our own request. */
    final boolean asked;

    int status;
    boolean answered;

    Exchange(Object opened, Object context, boolean asked) {
      this.opened = opened;
      this.context = context;
      this.asked = asked;
    }
  }

  /** https where the pipeline has TLS. */
  public String scheme() {
    return secure ? "https" : "http";
  }

  /** The path of a request's target, which may be absolute. */
  public static String path(String target) {
    int begin = pathBegin(target);
    int end = target.indexOf('?', begin);
    return target.substring(begin, end < 0 ? target.length() : end);
  }

  /** What follows the question mark in a request's target, or null. */
  public static String query(String target) {
    int mark = target.indexOf('?', pathBegin(target));
    return mark < 0 ? null : target.substring(mark + 1);
  }

  private static int pathBegin(String target) {
    if (target.startsWith("/")) {
      return 0;
    }
    int scheme = target.indexOf("://");
    int slash = scheme < 0 ? -1 : target.indexOf('/', scheme + 3);
    return Math.max(slash, 0);
  }

  // ---- the channel answers -------------------------------------------------------------------

  /** A request's head was read, of which {@link Underspan#serverStart} has made this. */
  public synchronized void requestRead(Object opened) {
    Object context = null;
    if (opened != null) {
      context = Underspan.context();
      Underspan.serverSuspend(opened);
    }
    inbound = new Exchange(opened, context, false);
    inboundEnds = false;
    if (exchanges.size() < LIMIT) {
      exchanges.add(inbound);
    } else {
      Underspan.serverEnd(opened, 0, null, null);
    }
  }

  /** An answer's head is written. */
  public synchronized void answering(int status) {
    interim = status < OK && status != SWITCHING_PROTOCOLS;
    Exchange next = unanswered();
    if (!interim && next != null) {
      next.status = status;
    }
  }

  /** An answer's last part is written; it leaves at the next flush. */
  public synchronized void answered() {
    Exchange next = unanswered();
    if (!interim && next != null) {
      next.answered = true;
    }
    interim = false;
  }

  private Exchange unanswered() {
    for (Exchange exchange : exchanges) {
      if (!exchange.answered) {
        return exchange;
      }
    }
    return null;
  }

  /** Whether answers were written that have not left as far as is known. */
  public synchronized boolean leaving() {
    Exchange eldest = exchanges.peek();
    return eldest != null && eldest.answered;
  }

  /** All that was written has left. */
  public void left() {
    while (true) {
      Exchange eldest;
      synchronized (this) {
        eldest = exchanges.peek();
        if (eldest == null || !eldest.answered) {
          return;
        }
        exchanges.remove();
      }
      Underspan.serverEnd(eldest.opened, eldest.status, null, null);
    }
  }

  /** The channel is closed. */
  public void closed() {
    left();
    while (true) {
      Exchange eldest;
      synchronized (this) {
        inbound = null;
        eldest = exchanges.poll();
      }
      if (eldest == null) {
        return;
      }
      if (eldest.opened != null) {
        ClosedChannelException error = new ClosedChannelException();
        error.setStackTrace(new StackTraceElement[0]); // it would show the event loop only
        Underspan.serverEnd(eldest.opened, eldest.status, null, error);
      }
    }
  }

  /**
   * Makes the eldest unanswered request current, whose turn it is; the result is to be detached.
   */
  public Object attachNext() {
    Object context;
    synchronized (this) {
      Exchange next = unanswered();
      context = next == null ? null : next.context;
    }
    return Underspan.attach(context);
  }

  // ---- the channel asks ----------------------------------------------------------------------

  /**
   * A request's head is about to be written.
   *
   * @param carries whether the application has given it trace headers itself
   */
  public void asking(boolean carries) {
    synchronized (this) {
      if (exchanges.size() < LIMIT) {
        exchanges.add(new Exchange(null, Underspan.context(), true));
      }
    }
    if (!carries) {
      HEADERS.set(Underspan.clientInject(scheme(), null, -1));
    }
  }

  /** Headers for the request whose head is being written, given once; or null. */
  public static String[] takeHeaders() {
    String[] headers = HEADERS.get();
    if (headers != null) {
      HEADERS.remove();
    }
    return headers;
  }

  /** An answer's head was read. */
  public synchronized void answerRead(int status) {
    interim = status < OK && status != SWITCHING_PROTOCOLS;
    inbound = exchanges.peek();
    inboundEnds = false;
  }

  // ---- both ----------------------------------------------------------------------------------

  /** A message's last part was read. */
  public synchronized void lastRead() {
    inboundEnds = true;
    if (inbound != null && inbound.asked && !interim && exchanges.peek() == inbound) {
      exchanges.remove();
    }
    interim = false;
  }

  /** What was read is about to be handled; {@link #handled} must follow. */
  public Object handling() {
    Exchange of;
    synchronized (this) {
      of = inbound;
    }
    return of == null || of.context == null ? null : Underspan.attach(of.context);
  }

  /** What was read was handled. */
  public void handled(Object scope) {
    synchronized (this) {
      if (inboundEnds) {
        inbound = null;
        inboundEnds = false;
      }
    }
    Underspan.detach(scope);
  }
}
