package java.lang;

import java.util.concurrent.ConcurrentHashMap;

/**
 * Calls that a server of remote procedures works on, by an object that the library has once a call.
 * Nothing here throws.
 */
public final class UnderspanRpc {
  private static final int LIMIT = 65_536;

  private static final ConcurrentHashMap<Object, Call> CALLS = new ConcurrentHashMap<>();

  private UnderspanRpc() {}

  private static final class Call {
    final Object opened;
    volatile int status = -1;

    Call(Object opened) {
      this.opened = opened;
    }
  }

  /**
   * A call has come in, of which {@link Underspan#serverStart} has made this.
   *
   * @return goes to {@link Underspan#restored} once this thread has handed it on
   */
  public static Object started(Object key, Object opened) {
    if (opened == null) {
      return null;
    }
    Object context = Underspan.capture();
    Underspan.serverSuspend(opened);
    if (CALLS.size() >= LIMIT) {
      Underspan.serverEnd(opened, 0, null, null);
      return null;
    }
    CALLS.put(key, new Call(opened));
    return Underspan.restore(context);
  }

  /** It is answered so; the answer may not have left yet. */
  public static void answered(Object key, int status) {
    Call call = CALLS.get(key);
    if (call != null && call.status < 0) {
      call.status = status;
    }
  }

  /** It is over; the status is taken if it was not answered. */
  public static void ended(Object key, int status) {
    Call call = CALLS.remove(key);
    if (call != null) {
      Underspan.serverEnd(call.opened, call.status < 0 ? status : call.status, null, null);
    }
  }
}
