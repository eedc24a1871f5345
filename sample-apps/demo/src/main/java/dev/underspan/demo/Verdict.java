package dev.underspan.demo;

import dev.underspan.demo.Trace.Node;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Where most of a trace's time went.
 *
 * <p>The critical path is followed from the root's end backwards: what no child covers there is the
 * span's own time, which its time account then splits by kind after the children's share was taken
 * out. Time in a client span goes to the server span below it; without one, to the remote peer.
 *
 * @param service the service that the sentence is about
 * @param kind the kind of time
 * @param peer the remote peer if the time was spent there, else null
 * @param nanos nanoseconds of that kind on the critical path
 * @param wholeNanos the trace's duration in nanoseconds
 * @param sentence for people
 */
public record Verdict(
    String service,
    TimeKind kind,
    @Nullable String peer,
    long nanos,
    long wholeNanos,
    String sentence) {

  /** What time is summed by; lock and wait are one group, as both mean "blocked by a thread". */
  private record Cause(String service, TimeKind kind, @Nullable String peer) {}

  /** A cause's time, and the span that has most of it. */
  private static final class Bucket {
    long nanos;
    long lock;
    long most;
    @Nullable Span example;

    void add(long value, boolean isLock, Span span) {
      nanos += value;
      lock += isLock ? value : 0;
      if (value > most) {
        most = value;
        example = span;
      }
    }
  }

  /** A child's stretch of the critical path, nanoseconds since the epoch. */
  private record Stretch(Node node, long from, long to) {
    long nanos() {
      return to - from;
    }
  }

  /** The kinds out of which a parent's time for a child in another thread or process comes. */
  private static final TimeKind[] WAITS = {
    TimeKind.NETWORK,
    TimeKind.WAIT,
    TimeKind.IDLE,
    TimeKind.UNKNOWN,
    TimeKind.OTHER,
    TimeKind.LOCK,
    TimeKind.SLEEP
  };

  /** Works out the verdict. */
  public static Verdict of(Trace trace) {
    Map<Cause, Bucket> buckets = new LinkedHashMap<>();
    Span root = trace.main().span();
    TimeAccount account = TimeAccount.of(root);
    long end = root.startNanos() + root.durationNanos();
    walk(trace.main(), root.startNanos(), end, buckets);
    charge(buckets, root, TimeKind.QUEUE, null, account.queueBefore());
    long whole = root.durationNanos() + account.queueBefore();
    Cause cause = new Cause(root.service(), TimeKind.UNKNOWN, null);
    Bucket bucket = new Bucket();
    for (Map.Entry<Cause, Bucket> entry : buckets.entrySet()) {
      if (entry.getValue().nanos > bucket.nanos) {
        cause = entry.getKey();
        bucket = entry.getValue();
      }
    }
    return new Verdict(
        cause.service(),
        cause.kind(),
        cause.peer(),
        bucket.nanos,
        whole,
        sentence(cause, bucket, whole));
  }

  // ---- the critical path --------------------------------------------------------------------

  private static void walk(Node node, long from, long to, Map<Cause, Bucket> buckets) {
    List<Stretch> path = path(node, from, to);
    Span span = node.span();
    EnumMap<TimeKind, Long> own = TimeAccount.of(span).copy();
    if (span.durationNanos() > to - from) {
      // Only a part of the span is on the path: take the same part of every kind.
      double part = (double) (to - from) / span.durationNanos();
      own.replaceAll((kind, nanos) -> Math.round(nanos * part));
    }
    long self = to - from;
    boolean remoteChild = false;
    for (Stretch stretch : path) {
      Span child = stretch.node().span();
      boolean remote = !child.service().equals(span.service());
      remoteChild |= remote;
      self -= stretch.nanos();
      if (remote) {
        take(own, stretch.nanos(), WAITS);
      } else {
        takeChild(own, stretch);
      }
      long before = TimeAccount.of(child).queueBefore();
      if (before > 0 && self > 0) {
        // The request lay in the child's socket before the child's span began.
        long queued = Math.min(before, self);
        take(own, queued, WAITS);
        self -= queued;
        charge(buckets, child, TimeKind.QUEUE, null, queued);
      }
    }
    // What is left must be the self time: too much means that children were not fully taken out.
    long sum = sum(own);
    if (sum > self) {
      take(own, sum - self, WAITS);
      take(own, sum(own) - self, TimeKind.values());
    } else {
      own.merge(TimeKind.UNKNOWN, self - sum, Long::sum);
    }
    boolean answered = remoteChild || hasRemoteChild(node);
    String peer = span.callsOut() && !answered ? peer(span) : null;
    for (Map.Entry<TimeKind, Long> entry : own.entrySet()) {
      TimeKind kind = entry.getKey();
      boolean there =
          peer != null
              && (kind == TimeKind.NETWORK
                  || kind == TimeKind.IDLE
                  || kind == TimeKind.WAIT
                  || kind == TimeKind.UNKNOWN);
      if (there) {
        charge(buckets, span, TimeKind.NETWORK, peer, entry.getValue());
      } else if (kind == TimeKind.UNKNOWN && span.callsOut()) {
        // Nothing is known of it but that it lies between the call and the server's span.
        charge(buckets, span, TimeKind.NETWORK, null, entry.getValue());
      } else {
        charge(buckets, span, kind, null, entry.getValue());
      }
    }
    for (Stretch stretch : path) {
      walk(stretch.node(), stretch.from(), stretch.to(), buckets);
    }
  }

  /** The children that the span waited for, from the last to end backwards. */
  private static List<Stretch> path(Node node, long from, long to) {
    List<Node> children = new ArrayList<>(node.children());
    children.sort(
        Comparator.comparingLong((Node child) -> -child.span().endNanos())
            .thenComparingLong(child -> child.span().startNanos()));
    List<Stretch> path = new ArrayList<>();
    long cursor = to;
    for (Node child : children) {
      // Clipped to the parent: a child on another host may have another clock.
      long start = Math.max(from, child.span().startNanos());
      long end = Math.min(cursor, child.span().endNanos());
      if (end > start) {
        path.add(new Stretch(child, start, end));
        cursor = start;
      }
    }
    return path;
  }

  private static boolean hasRemoteChild(Node node) {
    for (Node child : node.children()) {
      if (child.span().kind() == Span.Kind.SERVER
          || child.span().kind() == Span.Kind.CONSUMER
          || !child.span().service().equals(node.span().service())) {
        return true;
      }
    }
    return false;
  }

  /** A child in the same process: its kinds are in the parent's account too if on one thread. */
  private static void takeChild(EnumMap<TimeKind, Long> own, Stretch stretch) {
    Span child = stretch.node().span();
    double part = child.durationNanos() == 0 ? 0 : (double) stretch.nanos() / child.durationNanos();
    long taken = 0;
    boolean sameThread = sameThread(own, TimeAccount.of(child).copy(), part);
    if (sameThread) {
      for (Map.Entry<TimeKind, Long> entry : TimeAccount.of(child).copy().entrySet()) {
        long want = Math.round(entry.getValue() * part);
        taken += want - take(own, want, entry.getKey());
      }
    }
    take(own, Math.max(0, stretch.nanos() - taken), WAITS);
  }

  /** Another thread did the work if the parent's account has no room for most of the child's. */
  private static boolean sameThread(
      EnumMap<TimeKind, Long> own, EnumMap<TimeKind, Long> child, double part) {
    double fits = 0;
    double all = 0;
    for (Map.Entry<TimeKind, Long> entry : child.entrySet()) {
      double want = entry.getValue() * part;
      all += want;
      fits += Math.min(want, own.getOrDefault(entry.getKey(), 0L));
    }
    return fits > all * 0.8;
  }

  /** Takes from the kinds in turn; returns what could not be taken. */
  private static long take(EnumMap<TimeKind, Long> own, long nanos, TimeKind... kinds) {
    long left = nanos;
    for (TimeKind kind : kinds) {
      long have = own.getOrDefault(kind, 0L);
      long part = Math.max(0, Math.min(have, left));
      own.put(kind, have - part);
      left -= part;
    }
    return left;
  }

  private static long sum(EnumMap<TimeKind, Long> nanos) {
    return nanos.values().stream().mapToLong(Long::longValue).sum();
  }

  private static void charge(
      Map<Cause, Bucket> buckets, Span span, TimeKind kind, @Nullable String peer, long nanos) {
    if (nanos > 0) {
      TimeKind group = kind == TimeKind.LOCK ? TimeKind.WAIT : kind;
      buckets
          .computeIfAbsent(new Cause(span.service(), group, peer), k -> new Bucket())
          .add(nanos, kind == TimeKind.LOCK, span);
    }
  }

  // ---- words --------------------------------------------------------------------------------

  /** The remote side's name, or null if the span does not tell. */
  private static @Nullable String peer(Span span) {
    String database = first(span, "db.system.name", "db.system");
    if (database != null) {
      return switch (database) {
        case "postgresql" -> "PostgreSQL";
        case "mysql" -> "MySQL";
        case "mariadb" -> "MariaDB";
        case "redis" -> "Redis";
        case "mongodb" -> "MongoDB";
        case "cassandra" -> "Cassandra";
        case "elasticsearch" -> "Elasticsearch";
        case "oracle.db", "oracle" -> "Oracle";
        case "microsoft.sql_server", "mssql" -> "SQL Server";
        default -> Text.clean(database);
      };
    }
    String messaging = span.text("messaging.system");
    if (messaging != null) {
      return messaging.equals("kafka") ? "Kafka" : Text.clean(messaging);
    }
    String address = first(span, "server.address", "network.peer.address");
    String port = first(span, "server.port", "network.peer.port");
    if (address == null) {
      return "a remote peer";
    }
    return Text.clean(address) + (port == null ? "" : ":" + Text.clean(port));
  }

  private static @Nullable String first(Span span, String... keys) {
    for (String key : keys) {
      String value = span.text(key);
      if (value != null && !value.isEmpty()) {
        return value;
      }
    }
    return null;
  }

  private static String sentence(Cause cause, Bucket bucket, long whole) {
    String service = Text.clean(cause.service());
    String time = Units.time(bucket.nanos);
    String of = ", " + Units.percent(bucket.nanos, whole) + " of " + Units.time(whole);
    Span example = bucket.example;
    if (example == null) {
      return service + ": the trace has no time to speak of";
    }
    String name = Text.fit(Text.clean(example.name()), 60);
    if (cause.peer() != null) {
      String summary = first(example, "db.query.summary");
      String what = summary == null ? name : Text.fit(Text.clean(summary), 60);
      return service + " waited " + time + " in " + cause.peer() + " (" + what + ")" + of;
    }
    return switch (cause.kind()) {
      case QUEUE ->
          service + ": the request lay " + time + " in the socket before a thread read it" + of;
      case CPU ->
          service
              + " spent "
              + Units.percent(bucket.nanos, whole)
              + " of "
              + Units.time(whole)
              + " on a CPU";
      case RUN_QUEUE -> service + " was ready but waited " + time + " for a free CPU" + of;
      case THROTTLED -> service + " was held " + time + " by its cgroup's CPU limit" + of;
      case CARRIER -> service + ": virtual threads waited " + time + " for a carrier thread" + of;
      case SAFEPOINT -> service + " was stopped " + time + " by the JVM (GC or a safepoint)" + of;
      case LOCK, WAIT -> blocked(service, bucket, time) + of;
      case SLEEP -> service + " slept " + time + " in Thread.sleep or a timer (" + name + ")" + of;
      case DISK -> service + " waited " + time + " for the disk (" + name + ")" + of;
      case NETWORK ->
          service
              + " waited "
              + time
              + (example.callsOut() ? " on the way to the server and back (" : " on the network (")
              + name
              + ")"
              + of;
      case IDLE -> service + ": no thread worked on " + name + " for " + time + of;
      case OTHER, UNKNOWN ->
          service + " spent " + time + " in " + name + ", on what is not known" + of;
    };
  }

  private static String blocked(String service, Bucket bucket, String time) {
    String on;
    if (bucket.lock * 10 >= bucket.nanos * 9) {
      on = " on a lock";
    } else if (bucket.lock * 10 <= bucket.nanos) {
      // A java.util.concurrent lock parks its waiters, as does waiting for a result.
      on = " on a lock or another thread";
    } else {
      on = " on locks and other threads";
    }
    String at = "";
    Span example = bucket.example;
    if (example != null) {
      for (Span.Event event : example.events()) {
        String frame = event.name().equals("underspan.blocked") ? Blocked.frame(event) : null;
        if (frame != null) {
          at = " (at " + frame + ")";
          break;
        }
      }
    }
    return service + " was blocked " + time + on + at;
  }
}
