package dev.underspan.bridge.activity;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Finds threads under a span that have been blocked for long, by looking at the mapped slots from
 * outside, and takes their Java stack once. Costs a thread that is not blocked nothing. One thread
 * runs it.
 */
public final class BlockedWatcher {
  private static final AttributeKey<String> KIND = AttributeKey.stringKey("underspan.blocked.kind");
  private static final AttributeKey<Long> DURATION =
      AttributeKey.longKey("underspan.blocked.duration");
  private static final AttributeKey<String> STACK = AttributeKey.stringKey("code.stacktrace");
  private static final int FRAMES = 128;
  private static final long SECOND = 1_000_000_000;

  private final Activities activities;
  private final long thresholdNs;
  private final int stacksPerSecond;
  private final Map<ThreadState, Blocked> seen = new HashMap<>();
  private final AtomicLong notTaken = new AtomicLong();

  /** Whether the latest scan has come upon a span. */
  private boolean any = true;

  private long second;
  private int takenThisSecond;

  /** Kind and stack of one blocking; the end is not known until the thread goes on. */
  static final class Blocked {
    final long since;
    final int kind;
    final @Nullable String stack;

    Blocked(long since, int kind, @Nullable String stack) {
      this.since = since;
      this.kind = kind;
      this.stack = stack;
    }

    void writeTo(Activity activity, long until) {
      if (stack != null) {
        activity
            .span()
            .addEvent(
                "underspan.blocked",
                Attributes.of(KIND, Budget.name(kind), DURATION, until - since, STACK, stack),
                activity.anchor().epochNanos(since),
                TimeUnit.NANOSECONDS);
      }
    }
  }

  /**
   * A watcher.
   *
   * @param thresholdNs how long a thread must have been blocked
   * @param stacksPerSecond how many stacks are taken at most
   */
  public BlockedWatcher(Activities activities, long thresholdNs, int stacksPerSecond) {
    this.activities = activities;
    this.thresholdNs = thresholdNs;
    this.stacksPerSecond = stacksPerSecond;
  }

  /**
   * How long to wait until the next {@link #scan}, nanoseconds: longer if there was no span, since
   * one that begins meanwhile cannot block for long enough before.
   */
  public long interval() {
    return Math.max(any ? thresholdNs / 4 : thresholdNs, 5_000_000);
  }

  /** Blocked threads whose stack was not taken: too many at once, or they went on meanwhile. */
  public long notTaken() {
    return notTaken.get();
  }

  /** Looks at all threads once. */
  public void scan() {
    Kernel kernel = activities.kernel();
    if (kernel == null) {
      return;
    }
    Ledger ledger = kernel.ledger();
    finish(ledger);
    any = false;
    for (int slot = 1, used = ledger.used(); slot <= used; slot++) {
      if (ledger.hasHead(slot)) {
        ThreadState state = activities.bySlot(slot);
        if (state != null && state.slot() == slot) {
          look(ledger, state);
        }
      }
    }
    activities.forEachVirtual(state -> look(ledger, state));
  }

  /** Since when a thread has been blocked, 0 if it is not. */
  private static long blockedSince(Ledger ledger, ThreadState state) {
    int slot = state.slot();
    if (slot >= 0) {
      return isBlocked(ledger.state(slot)) ? ledger.stateSince(slot) : 0;
    }
    return state.parkedIn() >= 0 ? state.parkedSince() : 0;
  }

  private static boolean isBlocked(int kind) {
    return (kind >= Layout.KIND_LOCK && kind <= Layout.KIND_DISK) || kind == Layout.KIND_OTHER;
  }

  private void look(Ledger ledger, ThreadState state) {
    Activity activity = state.activity();
    if (activity == null) {
      return;
    }
    any = true;
    long since = blockedSince(ledger, state);
    long now = System.nanoTime();
    if (since == 0
        || now - since < thresholdNs
        || seen.containsKey(state)
        || !activity.span().isRecording()) {
      return;
    }
    int slot = state.slot();
    int kind = slot >= 0 ? ledger.state(slot) : state.parkedIn();
    if (now / SECOND != second) {
      second = now / SECOND;
      takenThisSecond = 0;
    }
    String stack = null;
    if (takenThisSecond < stacksPerSecond) {
      takenThisSecond++;
      stack = stack(state.thread());
    }
    // It may have gone on while the stack was taken, and the stack says something else then.
    if (stack == null || blockedSince(ledger, state) != since) {
      stack = null;
      notTaken.incrementAndGet();
    }
    Blocked blocked = new Blocked(since, kind, stack);
    seen.put(state, blocked);
    if (stack != null) {
      activity.blocked(blocked);
    }
  }

  /** Those that went on: the event is written with its whole length. */
  private void finish(Ledger ledger) {
    long now = System.nanoTime();
    for (Iterator<Map.Entry<ThreadState, Blocked>> i = seen.entrySet().iterator(); i.hasNext(); ) {
      Map.Entry<ThreadState, Blocked> entry = i.next();
      if (blockedSince(ledger, entry.getKey()) != entry.getValue().since) {
        i.remove();
        Activity activity = entry.getKey().activity();
        if (activity != null) {
          // The thread runs since a moment between this scan and the one before.
          int slot = entry.getKey().slot();
          long until = slot >= 0 ? Math.min(ledger.stateSince(slot), now) : now;
          activity.unblocked(entry.getValue(), until);
        }
      }
    }
  }

  private static @Nullable String stack(Thread thread) {
    StackTraceElement[] frames = thread.getStackTrace();
    if (frames.length == 0) {
      return null;
    }
    StringBuilder text = new StringBuilder();
    int printed = 0;
    for (StackTraceElement frame : frames) {
      if (frame.getClassName().startsWith("java.lang.Underspan")
          || frame.getClassName().startsWith("dev.underspan.bridge.")) {
        continue;
      }
      if (printed++ == FRAMES) {
        text.append("\t... ").append(frames.length - FRAMES).append(" more\n");
        break;
      }
      text.append("\tat ").append(frame).append('\n');
    }
    return text.toString();
  }
}
