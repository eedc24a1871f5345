package java.lang;

/** A call that a server of remote procedures works on. Nothing here throws. */
public final class UnderspanRpc {
  private UnderspanRpc() {}

  private static final class Call {
    final Object opened;
    int status = -1;
    boolean ended;

    Call(Object opened) {
      this.opened = opened;
    }
  }

  /**
   * A call has come in, of which {@link Underspan#serverStart} has made this.
   *
   * @param stream keeps the call in the field that was added to it
   * @return goes to {@link Underspan#restored} once this thread has handed it on
   */
  public static Object started(Object stream, Object opened) {
    if (opened == null) {
      return null;
    }
    Object context = Underspan.capture();
    Underspan.serverSuspend(opened);
    if (!Underspan.keep(stream, new Call(opened))) {
      Underspan.serverEnd(opened, 0, null, null);
      return null;
    }
    return Underspan.restore(context);
  }

  /** It is answered so; the answer may not have left yet. */
  public static void answered(Object kept, int status) {
    if (kept instanceof Call call) {
      synchronized (call) {
        if (call.status < 0) {
          call.status = status;
        }
      }
    }
  }

  /** It is over; the status is taken if it was not answered. */
  public static void ended(Object stream, int status) {
    if (Underspan.capturedBy(stream) instanceof Call call) {
      int answered;
      synchronized (call) {
        if (call.ended) {
          return;
        }
        call.ended = true;
        answered = call.status < 0 ? status : call.status;
      }
      Underspan.serverEnd(call.opened, answered, null, null);
    }
  }
}
