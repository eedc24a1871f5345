package dev.underspan.bridge.tls;

import dev.underspan.bridge.map.BoundedMap;
import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.ConnectionInfo;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.WireConnection;
import dev.underspan.bridge.wire.WireCounters;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Joins plaintext to the socket events that carried its ciphertext.
 *
 * <p>A flow is bound to a connection by the first record that both the application and the kernel
 * show, told by its {@link TlsKey}. From then on positions are enough: ciphertext is one stream of
 * bytes on either side, of which each event and each operation says where it begins and ends. One
 * thread only.
 */
public final class TlsJoin {
  private static final int KEYS = 8192;
  private static final int WAITING_UNBOUND = 32;
  private static final int WAITING = 1024;

  private final TlsTap tap;
  private final @Nullable TlsServers servers;
  private final Chunk chunk = new Chunk();
  final Consumer<ClientCall> sink;
  final WireCounters counters;

  private record Wanted(TlsFlow flow, long start) {}

  private record Seen(TlsConnection connection, long position) {}

  /** Records that the application showed, but no event yet. */
  private final Map<TlsKey, Wanted> wantedSent = BoundedMap.byAge(KEYS);

  private final Map<TlsKey, Wanted> wantedReceived = BoundedMap.byAge(KEYS);

  /** Received records that an event showed, but the application not yet. */
  private final Map<TlsKey, Seen> seen = BoundedMap.byAge(KEYS);

  /** Takes the plaintext from the tap, and gives calls to the sink. */
  public TlsJoin(TlsTap tap, Consumer<ClientCall> sink, WireCounters counters) {
    this(tap, sink, counters, null);
  }

  /** The same, and gives what servers sent to these. */
  public TlsJoin(
      TlsTap tap, Consumer<ClientCall> sink, WireCounters counters, @Nullable TlsServers servers) {
    this.servers = servers;
    this.tap = tap;
    this.sink = sink;
    this.counters = counters;
  }

  /**
   * A connection whose first seen bytes sent may be TLS; null if they are not.
   *
   * @param plain what reads the same connection in the clear
   */
  public @Nullable TlsConnection begin(ConnectionInfo info, WireConnection plain, Chunk sent) {
    return tap.isUsed()
            && sent.direction == Direction.SENT
            && TlsKey.begins(sent.data, 0, sent.length)
        ? new TlsConnection(info, plain, this)
        : null;
  }

  /** Takes what the application's threads have told since. */
  public void poll() {
    for (TlsMessage message = tap.poll(); message != null; message = tap.poll()) {
      take(message);
    }
  }

  private void take(TlsMessage message) {
    TlsFlow flow = message.flow;
    if (message.cookie != 0) {
      served(message);
      return;
    }
    if (message.total > 0) {
      flow.waiting.add(message);
      if (flow.waiting.size() > (flow.bound ? WAITING : WAITING_UNBOUND)) {
        drop(flow.waiting.remove());
      }
    }
    TlsKey key = message.key;
    if (!flow.bound && key != null) {
      if (flow.direction == Direction.SENT) {
        wantedSent.put(key, new Wanted(flow, message.start));
      } else {
        Seen event = seen.remove(key);
        if (event == null) {
          wantedReceived.put(key, new Wanted(flow, message.start));
        } else {
          event.connection.bindReceived(flow, event.position - message.start);
        }
      }
    }
    if (message.failure != null) {
      flow.failure = message.failure;
    }
    TlsConnection connection = flow.connection;
    if (connection != null && flow.failure != null) {
      connection.onFailure(flow, flow.failure);
    }
    if (connection != null && flow.direction == Direction.RECEIVED) {
      connection.pumpReceived();
    }
    if (flow.dead) {
      forget(flow);
    }
  }

  /** What a server sent needs no event: the thread that sent it has told all. */
  private void served(TlsMessage message) {
    if (servers != null) {
      if (message.index != message.flow.expected) {
        servers.onLoss(message.cookie);
      }
      message.flow.expected = message.index + 1;
      message.fill(chunk);
      chunk.direction = Direction.SENT;
      chunk.timeNs = message.timeNs;
      chunk.account = message.account;
      servers.onSent(message.cookie, chunk);
    }
    done(message);
  }

  /** An event showed a record that was sent. */
  void sent(TlsConnection connection, TlsKey key, long position) {
    Wanted wanted = wantedSent.remove(key);
    if (wanted != null) {
      connection.bindSent(wanted.flow, position - wanted.start);
    }
  }

  /** An event showed a record that was received. */
  void received(TlsConnection connection, TlsKey key, long position) {
    Wanted wanted = wantedReceived.remove(key);
    if (wanted != null) {
      connection.bindReceived(wanted.flow, position - wanted.start);
    } else {
      seen.put(key, new Seen(connection, position));
    }
  }

  /** Plaintext that cannot be joined to an event, or whose connection is gone. */
  void drop(TlsMessage message) {
    counters.tlsDropped.increment();
    done(message);
  }

  void done(TlsMessage message) {
    tap.done(message);
  }

  /** Nothing more comes of a flow. */
  void forget(TlsFlow flow) {
    flow.dead = true;
    if (!flow.mayTellFailure()) {
      // Else whoever closed the socket may still say why.
      flow.connection = null;
    }
    while (!flow.waiting.isEmpty()) {
      drop(flow.waiting.remove());
    }
  }
}
