package dev.underspan.bridge.enrich;

import dev.underspan.abi.Layout;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.map.BoundedMap;
import dev.underspan.bridge.span.NetFacts;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.TraceHead;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Which calls on the wire are those of another tracer's client spans: they give the span their
 * facts and get no span of ours. A call is a span's by the id that the sending thread had in its
 * ledger slot or that the request carries in its trace header. Where a client sends on a thread
 * that has not the span, and without a header, it is that of the same trace and port that began
 * last before the bytes were sent.
 */
public final class ClientOwners {
  private static final int ENDED = 16_384;

  /** Spans that have not ended, by id. */
  private final ConcurrentMap<Long, ForeignSpan> open = new ConcurrentHashMap<>();

  /** Ids of the latest that have; a call may end after its span. */
  private final Map<Long, Boolean> ended = BoundedMap.byAge(ENDED);

  /** The latest that have ended without any call, eldest first; guarded by {@link #ended}. */
  private final ArrayDeque<ForeignSpan> endedWithout = new ArrayDeque<>();

  private static final int ENDED_WITHOUT = 64;

  private final LongAdder owned = new LongAdder();
  private final LongAdder unowned = new LongAdder();

  /** Whether calls of no span at all are left to the other tracer. */
  private volatile boolean silentWithoutSpan;

  /** No spans yet. */
  public ClientOwners() {}

  /** From now on a call that belongs to no span gets none of ours. */
  void silentWithoutSpan() {
    silentWithoutSpan = true;
  }

  void started(ForeignSpan span, TraceHead head) {
    span.head = head;
    span.beginNs = System.nanoTime();
    open.put(head.spanId(), span);
  }

  void ended(ForeignSpan span, long spanId) {
    boolean without = span.calls != null && span.calls.isEmpty();
    if (without) {
      span.port(); // while it can be asked
      span.endNs = System.nanoTime();
    }
    synchronized (ended) {
      ended.put(spanId, Boolean.TRUE);
      if (without) {
        endedWithout.add(span);
        if (endedWithout.size() > ENDED_WITHOUT) {
          endedWithout.remove();
        }
      }
    }
    open.remove(spanId);
  }

  /** A connection's share in this; for {@link #onEvent}. One thread at a time. */
  public static final class Connection {
    private @Nullable NetFacts owner;
    private long ownerId;

    /** Until the answer's first byte: when the last send began. */
    private long waitingSince;

    private int retransmits;
    private boolean used;

    /** Requests of several spans are in flight: an answer is that of the reading thread's span. */
    private boolean mixed;

    /** No events yet. */
    public Connection() {}
  }

  /** An event of a connection that is not a server's, in order. */
  public void onEvent(Connection connection, SocketEvent event) {
    long headId = event.hasHead() ? event.spanId() : 0;
    if (event.type() == Layout.EVENT_SENT) {
      sent(connection, event, headId);
    } else if (event.type() == Layout.EVENT_RECEIVED && connection.owner != null) {
      received(connection, event, headId);
    }
  }

  private void sent(Connection connection, SocketEvent event, long headId) {
    ForeignSpan span = headId == 0 || open.isEmpty() ? null : open.get(headId);
    NetFacts facts = span == null ? null : span.calls;
    if (facts != connection.owner) {
      connection.mixed = connection.owner != null && connection.waitingSince != 0;
      connection.owner = facts;
      connection.ownerId = headId;
      connection.retransmits = event.retransmits();
    }
    if (facts != null) {
      facts.sent(event.total(), event.rttMicros());
      facts.retransmitted((long) event.retransmits() - connection.retransmits);
      if (!connection.used && event.connectNs() > 0) {
        facts.connected(event.establishedNs() - event.connectNs());
      }
      connection.waitingSince = event.beginNs();
    }
    connection.retransmits = event.retransmits();
    connection.used = true;
  }

  private static void received(Connection connection, SocketEvent event, long headId) {
    NetFacts facts = connection.owner;
    if (facts == null || (connection.mixed && headId != connection.ownerId)) {
      return;
    }
    facts.received(event.total(), event.rttMicros());
    facts.retransmitted((long) event.retransmits() - connection.retransmits);
    connection.retransmits = event.retransmits();
    if (connection.waitingSince != 0) {
      long arrived = event.beginNs() != 0 ? event.beginNs() : event.ns();
      facts.waited(arrived - connection.waitingSince);
      connection.waitingSince = 0;
    }
  }

  /**
   * A call is complete.
   *
   * @return whether there is a span for it already, so that it needs none of ours
   */
  public boolean take(ClientCall call) {
    TraceHead parent = call.parent();
    TraceHead announced = call.details().injected();
    if (parent != null && isOwner(parent.spanId())) {
      owned.increment();
      return true; // its facts were taken event by event
    }
    if (announced != null && isOwner(announced.spanId())) {
      ForeignSpan span = open.get(announced.spanId());
      if (span != null && span.calls != null) {
        span.calls.add(call);
      }
      owned.increment();
      return true;
    }
    ForeignSpan near = announced == null ? nearest(call) : null;
    if (near != null && near.calls != null) {
      near.claimed = true;
      near.calls.add(call);
      owned.increment();
      return true;
    }
    if (parent == null && announced == null && silentWithoutSpan) {
      unowned.increment();
      return true;
    }
    return false;
  }

  /** Whether a lookup gets a span: not where it belongs to none, and those are left to others. */
  public boolean wantsLookup(ClientCall call) {
    return call.parent() != null || !silentWithoutSpan;
  }

  private @Nullable ForeignSpan nearest(ClientCall call) {
    ForeignSpan best = null;
    for (ForeignSpan span : open.values()) {
      best = nearer(call, span, best);
    }
    synchronized (ended) {
      for (ForeignSpan span : endedWithout) {
        best = nearer(call, span, best);
      }
    }
    return best;
  }

  private static @Nullable ForeignSpan nearer(
      ClientCall call, ForeignSpan span, @Nullable ForeignSpan best) {
    TraceHead head = span.head;
    TraceHead parent = call.parent();
    if (head == null
        || call.startNs() < span.beginNs
        || (span.endNs != 0 && call.startNs() > span.endNs)
        || span.kind != ForeignSpan.CLIENT
        || (parent != null
            && (parent.traceIdHigh() != head.traceIdHigh()
                || parent.traceIdLow() != head.traceIdLow()))
        || span.port() != call.connection().remotePort()
        || (span.calls != null && !span.calls.isEmpty() && !span.claimed)) {
      return best;
    }
    // One call each, as long as there are enough.
    if (best == null || (best.claimed && !span.claimed)) {
      return span;
    }
    return best.claimed == span.claimed && span.beginNs > best.beginNs ? span : best;
  }

  private boolean isOwner(long spanId) {
    if (open.containsKey(spanId)) {
      return true;
    }
    synchronized (ended) {
      return ended.containsKey(spanId);
    }
  }

  /** Calls that are those of another tracer's spans. */
  public long owned() {
    return owned.sum();
  }

  /** Calls of no span, left to the other tracer. */
  public long unowned() {
    return unowned.sum();
  }
}
