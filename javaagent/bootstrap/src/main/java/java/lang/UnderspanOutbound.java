package java.lang;

import java.util.function.Consumer;

/**
 * Whose bytes a Netty channel sends, of a client that queues what it is asked and sends one thing
 * after the other. The next one is often handed over within the flush of the last, by whoever is
 * told that it left, and leaves in the same flush. Kept by the channel's outbound buffer. Nothing
 * here throws.
 */
public final class UnderspanOutbound {
  /** As captured by whoever asked for what was handed over last. */
  private volatile Object asked;

  // Only the channel's event loop touches these.
  private boolean flushing;
  private Object sending;
  private Object scope;

  private UnderspanOutbound() {}

  /**
   * Something is asked on this thread.
   *
   * @param buffer of the channel over which it will be sent; null if that is closed
   * @return to be told just before a part of it is handed over to the channel; null if nobody cares
   */
  public static Consumer<Object> asked(Object buffer) {
    UnderspanOutbound outbound = buffer == null ? null : of(buffer);
    Object context = outbound == null ? null : Underspan.capture();
    return context == null ? null : new Turn(outbound, context);
  }

  /** Who sends over a channel, and is asked by messages that keep what they captured. */
  public static void sendsOver(Object sender, Object buffer) {
    UnderspanOutbound outbound = buffer == null ? null : of(buffer);
    if (outbound != null) {
      Underspan.keep(sender, outbound);
    }
  }

  /** The sender is about to hand over a message. */
  public static void next(Object kept, Object message) {
    if (kept instanceof UnderspanOutbound outbound) {
      outbound.asked = Underspan.capturedBy(message);
    }
  }

  private static synchronized UnderspanOutbound of(Object buffer) {
    if (Underspan.capturedBy(buffer) instanceof UnderspanOutbound known) {
      return known;
    }
    UnderspanOutbound outbound = new UnderspanOutbound();
    return Underspan.keep(buffer, outbound) ? outbound : null;
  }

  private static final class Turn implements Consumer<Object> {
    private final UnderspanOutbound outbound;
    private final Object context;

    Turn(UnderspanOutbound outbound, Object context) {
      this.outbound = outbound;
      this.context = context;
    }

    @Override
    public void accept(Object part) {
      outbound.asked = context;
    }
  }

  /** The channel is about to flush; what is returned goes to {@link #flushed}. */
  public static Object flushing(Object buffer) {
    if (buffer != null
        && Underspan.capturedBy(buffer) instanceof UnderspanOutbound outbound
        && !outbound.flushing) {
      outbound.flushing = true;
      outbound.sending = outbound.asked;
      outbound.scope = Underspan.restore(outbound.sending);
      return outbound;
    }
    return null;
  }

  /** Something has left, and who waited for that was told. */
  public static void left(Object kept) {
    if (kept instanceof UnderspanOutbound outbound
        && outbound.flushing
        && outbound.sending != outbound.asked) {
      Underspan.restored(outbound.scope);
      outbound.sending = outbound.asked;
      outbound.scope = Underspan.restore(outbound.sending);
    }
  }

  /** The flush is over. */
  public static void flushed(Object begun) {
    if (begun instanceof UnderspanOutbound outbound) {
      outbound.flushing = false;
      outbound.sending = null;
      Underspan.restored(outbound.scope);
      outbound.scope = null;
    }
  }
}
