package dev.underspan.bridge.correlate;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.enrich.ClientOwners;
import dev.underspan.bridge.span.ClientSpans;
import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.ConnectionInfo;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.TraceHead;
import dev.underspan.bridge.wire.WireConnection;
import dev.underspan.bridge.wire.WireCounters;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/** Takes each socket event to its connection's parser. One thread at a time. */
public final class SocketEvents implements Consumer<SocketEvent> {
  private static final int CONNECTIONS = 16_384;

  private final Consumer<ClientCall> sink;
  private final WireCounters counters;
  private final Chunk chunk = new Chunk();
  private final byte[] payload = new byte[Layout.PAYLOAD_WIDE];

  /** By the kernel's cookie; the least recently used gives way. */
  private final Map<Long, Connection> connections =
      new LinkedHashMap<>(1024, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Connection> eldest) {
          return size() > CONNECTIONS;
        }
      };

  private final ClientOwners owners;

  private static final class Connection {
    final WireConnection wire;
    final ClientOwners.Connection owned = new ClientOwners.Connection();

    Connection(WireConnection wire) {
      this.wire = wire;
    }
  }

  /** Finished calls go to the sink, but for those that have a span already. */
  public SocketEvents(Consumer<ClientCall> sink, ClientOwners owners, WireCounters counters) {
    this.sink =
        call -> {
          if (!owners.take(call)) {
            sink.accept(call);
          }
        };
    this.owners = owners;
    this.counters = counters;
  }

  @Override
  public void accept(SocketEvent event) {
    if (event.role() == Layout.ROLE_SERVER) {
      return; // server spans come from the handlers, with the slot's request
    }
    Long cookie = event.cookie();
    if (event.type() == Layout.EVENT_CLOSED) {
      Connection closed = connections.remove(cookie);
      if (closed != null) {
        closed.wire.onClose(event.ns(), false);
      }
      return;
    }
    Connection connection = connections.get(cookie);
    if (connection == null) {
      if (event.role() == Layout.ROLE_UNKNOWN && event.type() == Layout.EVENT_RECEIVED) {
        // Open before us: either we answer here, or this answers what was asked before we looked.
        return;
      }
      connection = new Connection(new WireConnection(describe(event), sink, counters));
      connections.put(cookie, connection);
    }
    owners.onEvent(connection.owned, event);
    connection.wire.onChunk(fill(event));
  }

  /** Events were lost, of whichever connections: each resynchronises at its next request. */
  public void onLoss() {
    connections.values().forEach(connection -> connection.wire.onLoss());
  }

  private static ConnectionInfo describe(SocketEvent event) {
    boolean midway = event.role() == Layout.ROLE_UNKNOWN;
    return new ConnectionInfo(
        event.localAddress(),
        event.localPort(),
        event.remoteAddress(),
        event.remotePort(),
        // If it is not so on a connection that was open before us, no request will be recognised.
        true,
        midway,
        event.connectNs(),
        event.establishedNs());
  }

  private Chunk fill(SocketEvent event) {
    boolean sent = event.type() == Layout.EVENT_SENT;
    chunk.direction = sent ? Direction.SENT : Direction.RECEIVED;
    chunk.timeNs = sent ? event.beginNs() : event.ns();
    chunk.arrivalNs = sent ? 0 : event.beginNs();
    chunk.totalLength = event.total();
    chunk.data = payload;
    chunk.length = event.captured();
    event.payload(payload);
    chunk.tail = event.tail();
    chunk.tailLength = chunk.tail.length;
    chunk.rttMicros = event.rttMicros();
    chunk.retransmits = event.retransmits();
    chunk.head =
        event.hasHead()
            ? new TraceHead(
                event.traceIdHigh(), event.traceIdLow(), event.spanId(), event.traceFlags() & 0xff)
            : null;
    long[] ns = new long[Ledger.KINDS];
    event.account(ns);
    chunk.account = new ClientSpans.Account(event.ns(), ns, event.hasHead() ? event.thread() : 0);
    return chunk;
  }
}
