package dev.underspan.bridge.activity;

import dev.underspan.bridge.clock.EpochClock;
import dev.underspan.bridge.wire.TraceHead;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.context.Context;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A span as something that can be current on a thread: its ids parsed once, since they are written
 * to the ledger at every scope.
 */
public final class Activity {
  private final Span span;
  private final @Nullable Context context;
  private final TraceHead head;
  private final SpanTime time = new SpanTime();

  /** Blockings of the span's threads that have not ended as far as was seen. */
  private final List<BlockedWatcher.Blocked> open = new ArrayList<>(0);

  private final EpochClock.Anchor anchor;

  private volatile @Nullable String route;

  private volatile boolean ended;

  /**
   * An activity of a span.
   *
   * @param context carries the span and what came with it (baggage)
   * @param anchor by which the span's times are told
   */
  public Activity(Context context, EpochClock.Anchor anchor) {
    this(context, Span.fromContext(context), anchor);
  }

  /** An activity of another tracer's span, which comes without a context of ours. */
  public Activity(Span span, EpochClock.Anchor anchor) {
    this(null, span, anchor);
  }

  private Activity(@Nullable Context context, Span span, EpochClock.Anchor anchor) {
    this.context = context;
    this.anchor = anchor;
    this.span = span;
    SpanContext ids = span.getSpanContext();
    String trace = ids.getTraceId();
    this.head =
        new TraceHead(
            Long.parseUnsignedLong(trace.substring(0, 16), 16),
            Long.parseUnsignedLong(trace.substring(16), 16),
            Long.parseUnsignedLong(ids.getSpanId(), 16),
            ids.getTraceFlags().asByte() & 0xff);
  }

  /** The span. */
  public Span span() {
    return span;
  }

  /** The OpenTelemetry context that carries the span. */
  public Context context() {
    return context == null ? Context.root().with(span) : context;
  }

  /** Where the span's time goes. */
  public SpanTime time() {
    return time;
  }

  /** A pattern that the request's path has matched; the first one stays. */
  public void noteRoute(String matched) {
    if (route == null) {
      route = matched;
    }
  }

  /** What {@link #noteRoute} was told first. */
  public @Nullable String route() {
    return route;
  }

  /** By which all the span's times are told. */
  public EpochClock.Anchor anchor() {
    return anchor;
  }

  /** The ids as numbers. */
  public TraceHead head() {
    return head;
  }

  /** A thread of the span is blocked; the span gets the event when it goes on, or at its end. */
  void blocked(BlockedWatcher.Blocked blocking) {
    synchronized (open) {
      open.add(blocking);
    }
  }

  /** It has gone on at that moment. */
  void unblocked(BlockedWatcher.Blocked blocking, long until) {
    synchronized (open) {
      if (open.remove(blocking)) {
        blocking.writeTo(this, until);
      }
    }
  }

  /** Whether its span has ended. */
  public boolean isEnded() {
    return ended;
  }

  /** The span ends; before it does, what is known of its blocked threads is written. */
  void end(long now) {
    ended = true;
    synchronized (open) {
      for (BlockedWatcher.Blocked blocking : open) {
        blocking.writeTo(this, now);
      }
      open.clear();
    }
  }
}
