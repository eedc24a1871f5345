package dev.underspan.bridge.enrich;

import dev.underspan.abi.Layout;
import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.activity.Budget;
import dev.underspan.bridge.activity.SpanTime;
import dev.underspan.bridge.activity.ThreadState;
import dev.underspan.bridge.clock.EpochClock;
import dev.underspan.bridge.map.WeakIdentityMap;
import dev.underspan.bridge.span.Keys;
import dev.underspan.bridge.span.RequestInfo;
import dev.underspan.bridge.span.ServerSpans;
import dev.underspan.bridge.tls.ServerTls;
import io.opentelemetry.api.trace.SpanContext;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Follows another tracer: its spans become activities, so that their time is accounted for and
 * kernel events carry their ids; before they end they are given what is known of them.
 */
public final class ForeignSpans {
  /** A difference in duration up to this is our looking a little later or earlier. */
  private static final long NEAR_NS = 1_000_000;

  private final Activities activities;
  private final ServerSpans serverSpans;
  private final EpochClock clock;
  private final ClientOwners owners;
  private final WeakIdentityMap<Activity> activityOf = new WeakIdentityMap<>();

  /** Spans of which we saw the beginning and not yet the end, for other objects that stand for. */
  private final ConcurrentMap<Long, Activity> open = new ConcurrentHashMap<>();

  private final LongAdder enriched = new LongAdder();
  private final LongAdder factsMissed = new LongAdder();
  private volatile @Nullable EventPump pump;
  private volatile @Nullable ForeignTls tls;
  private volatile boolean active;
  private volatile boolean byAgent;

  /** Follows nobody until {@link #activate}. */
  public ForeignSpans(
      Activities activities, ServerSpans serverSpans, EpochClock clock, ClientOwners owners) {
    this.activities = activities;
    this.serverSpans = serverSpans;
    this.clock = clock;
    this.owners = owners;
  }

  /** Events can be read on demand from now on, and tell of connections' TLS. */
  public void connect(EventPump newPump, ServerTls connections) {
    tls = new ForeignTls(connections, newPump);
    pump = newPump;
  }

  /**
   * There is another tracer, or is to be.
   *
   * @param agent whether it is an agent, which carries contexts over threads and knows clients
   */
  public synchronized void activate(boolean agent) {
    byAgent |= agent;
    owners.silentWithoutSpan();
    active = true;
  }

  /** Whether spans are another tracer's. */
  public boolean isActive() {
    return active;
  }

  /** Whether that one is an agent. */
  public boolean isByAgent() {
    return byAgent;
  }

  /** Whether an activity is a span that stands for a call itself. */
  public static boolean isCall(Activity activity) {
    return activity.span() instanceof ForeignSpan span && span.calls != null;
  }

  // ---- spans ---------------------------------------------------------------------------------

  /** A span was made on the calling thread. */
  public void started(Object span, int kind, long startEpochNanos) {
    if (!active) {
      return;
    }
    SpanApi api = SpanApi.of(span);
    SpanContext ids = api.ids(span);
    if (!ids.isValid()) {
      return;
    }
    WeakIdentityMap.Key key = activityOf.key(span);
    ForeignSpan foreign = new ForeignSpan(key, api, ids, kind, startEpochNanos);
    Activity activity = new Activity(foreign, clock.anchor());
    long id = activity.head().spanId();
    activities.beginForeign(activity);
    activityOf.put(key, activity);
    open.put(id, activity);
    if (foreign.calls != null) {
      owners.started(foreign, activity.head());
    } else if (kind == ForeignSpan.SERVER) {
      foreign.beginNs = System.nanoTime();
      arrive(foreign);
    }
  }

  /**
   * A span is about to end, on the calling thread; it can still be written to.
   *
   * @param endEpochNanos when, by its own clock
   */
  public void ending(Object span, long endEpochNanos) {
    ThreadState state = activities.thread();
    Activity activity = activityOf.get(state.sought, span);
    if (activity == null || !(activity.span() instanceof ForeignSpan foreign)) {
      return;
    }
    long id = activity.head().spanId();
    if (!open.remove(id, activity)) {
      return; // ended twice, or its beginning was not seen
    }
    long lasted = activities.endForeign(activity);
    if (foreign.calls != null) {
      EventPump events = pump;
      if (events != null && !events.pump()) {
        factsMissed.increment();
      }
      foreign.calls.writeTo(foreign);
      owners.ended(foreign, id);
    }
    if (foreign.kind == ForeignSpan.SERVER) {
      state.takenBlocked = activities.blockedSoFar(state);
      ServerSpans.Arrival arrival = foreign.arrival;
      if (arrival != null) {
        arrival.writeTo(foreign);
      }
      ForeignTls connections = tls;
      if (connections != null && !connections.describe(foreign)) {
        factsMissed.increment();
      }
    }
    SpanTime time = activity.time();
    Budget budget = time.budget();
    fit(budget, endEpochNanos - foreign.startEpochNanos - lasted);
    budget.writeTo(foreign);
    foreign.setAttribute(
        Keys.LEVEL, activities.level(activities.kernel() != null && !time.isByProcess()));
    // If it is made current once more, that is an activity without time.
    activityOf.remove(foreign.span);
    enriched.increment();
  }

  /** Makes the sum what the span says that it lasted. */
  private static void fit(Budget budget, long more) {
    if (more > NEAR_NS) {
      budget.idle += more; // it was given a beginning before it existed
    } else if (more > 0) {
      budget.ns[Layout.KIND_CPU] += more;
    } else {
      long less = -more;
      if (less > NEAR_NS) {
        long idle = Math.min(budget.idle, less);
        budget.idle -= idle;
        less -= idle;
      }
      for (int kind = 0; kind < budget.ns.length && less > 0; kind++) {
        less = budget.take(kind, less);
      }
      budget.idle -= Math.min(budget.idle, less);
    }
  }

  // ---- contexts ------------------------------------------------------------------------------

  /** The calling thread has a new context, until the scope is closed. */
  public void attached(Class<?> storage, Object context, Object scope) {
    if (!active || scope instanceof Enum || (byAgent && storage.getClassLoader() != null)) {
      return; // nothing changed; or an application's API that the agent has taken over
    }
    ThreadState state = activities.thread();
    Object span = ContextApi.of(storage).span(context);
    activities.follow(state, span == null ? null : find(state, span), scope);
  }

  /** It has the one before again. */
  public void closed(Object scope) {
    activities.unfollow(scope);
  }

  private @Nullable Activity find(ThreadState state, Object span) {
    Activity current = state.activity();
    if (current != null && current.span() instanceof ForeignSpan foreign && foreign.is(span)) {
      return current;
    }
    Activity known = activityOf.get(state.sought, span);
    return known == null ? first(span) : known;
  }

  /** A remote parent, one that is not recorded, or one that stands for another. */
  private @Nullable Activity first(Object span) {
    SpanApi api = SpanApi.of(span);
    SpanContext ids = api.ids(span);
    if (!ids.isValid()) {
      return null;
    }
    WeakIdentityMap.Key key = activityOf.key(span);
    Activity activity =
        new Activity(new ForeignSpan(key, api, ids, ForeignSpan.UNKNOWN, 0), clock.anchor());
    Activity same = open.get(activity.head().spanId());
    if (same != null) {
      activity = same;
    } else {
      activity.time().begin(System.nanoTime());
    }
    activityOf.put(key, activity);
    return activity;
  }

  // ---- requests that come in -----------------------------------------------------------------

  /** A handler that we know was entered; until it is left, {@link #leave} undoes it. */
  public final class Entry {
    private final RequestInfo request;
    private final ServerSpans.@Nullable Arrival arrival;

    private Entry(RequestInfo request, ServerSpans.@Nullable Arrival arrival) {
      this.request = request;
      this.arrival = arrival;
    }

    /** The thread leaves it. */
    public void leave() {
      activities.thread().arrival = null;
    }
  }

  /** A handler is entered on the calling thread; its server span has begun already, or will. */
  public Entry enter(RequestInfo request) {
    ServerSpans.Arrival arrival = serverSpans.arrival(request);
    Entry entry = new Entry(request, arrival);
    ThreadState state = activities.thread();
    state.arrival = entry;
    Activity current = state.activity();
    if (current != null
        && current.span() instanceof ForeignSpan span
        && span.kind == ForeignSpan.SERVER
        && span.request == null) {
      state.arrival = null;
      span.handle(request, arrival);
    }
    return entry;
  }

  /** A server span begins. */
  private void arrive(ForeignSpan span) {
    ThreadState state = activities.thread();
    Entry entry = (Entry) state.arrival;
    state.arrival = null;
    ServerSpans.Arrival arrival = entry == null ? null : entry.arrival;
    if (entry != null) {
      span.request = entry.request;
    }
    if (arrival == null && (entry == null || !entry.request.isMultiplexed())) {
      long port = span.number("network.peer.port");
      if (port == 0) {
        port = span.number("client.port");
      }
      arrival = serverSpans.arrival((int) port);
    }
    span.arrival = arrival;
  }

  // ---- what was done -------------------------------------------------------------------------

  /** Spans that were given their time. */
  public long enriched() {
    return enriched.sum();
  }

  /** Client spans, and server spans of TLS, that ended before events could be read. */
  public long factsMissed() {
    return factsMissed.sum();
  }
}
