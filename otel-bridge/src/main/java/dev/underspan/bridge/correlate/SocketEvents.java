package dev.underspan.bridge.correlate;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.enrich.ClientOwners;
import dev.underspan.bridge.map.BoundedMap;
import dev.underspan.bridge.span.ClientSpans;
import dev.underspan.bridge.span.SocketServers;
import dev.underspan.bridge.tls.NativeTls;
import dev.underspan.bridge.tls.NativeTlsFailure;
import dev.underspan.bridge.tls.ServerTls;
import dev.underspan.bridge.tls.TlsConnection;
import dev.underspan.bridge.tls.TlsHellos;
import dev.underspan.bridge.tls.TlsJoin;
import dev.underspan.bridge.tls.TlsTap;
import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.ConnectionInfo;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.DnsLookups;
import dev.underspan.bridge.wire.Http2Place;
import dev.underspan.bridge.wire.TraceHead;
import dev.underspan.bridge.wire.WireConnection;
import dev.underspan.bridge.wire.WireCounters;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Takes each socket event to its connection's parser. One thread at a time. */
public final class SocketEvents implements Consumer<SocketEvent> {
  private static final int CONNECTIONS = 16_384;
  private static final int CLOSED = 64;

  private final Consumer<ClientCall> sink;
  private final WireCounters counters;
  private final Chunk chunk = new Chunk();
  private final byte[] payload = new byte[Layout.PAYLOAD_WIDE];
  private final Http2Place place = new Http2Place();

  /** By the kernel's cookie; the least recently used gives way. */
  private final Map<Long, Watched> connections = BoundedMap.byUse(CONNECTIONS, Watched::giveUp);

  /** The last that are over: a send that the peer answers by a reset is told after the end. */
  private final Map<Long, Watched> closed = BoundedMap.byAge(CLOSED);

  private final @Nullable TlsJoin tls;
  private final @Nullable SocketServers servers;
  private final DnsLookups lookups;
  private final ServerTls serverTls;
  private final Function<SocketEvent, Chunk> reading = this::fill;

  private static final class Watched {
    final ConnectionInfo info;
    final WireConnection plain;
    final ClientOwners.Connection owned = new ClientOwners.Connection();
    final StreamPositions positions;
    @Nullable StreamPositions plaintext;
    @Nullable TlsHellos hellos;
    @Nullable TlsConnection tls;
    @Nullable NativeTls nativeTls;

    /** The handshake failed in a native library. */
    boolean failed;

    Watched(ConnectionInfo info, WireConnection plain, StreamPositions positions) {
      this.info = info;
      this.plain = plain;
      this.positions = positions;
    }

    void onClose(long timeNs) {
      TlsConnection secured = tls;
      NativeTls library = nativeTls;
      if (library != null) {
        library.onClose(timeNs);
        return;
      }
      if (secured != null && secured.isBound()) {
        secured.onClose(timeNs);
      } else {
        plain.onClose(timeNs, false);
        if (secured != null) {
          secured.forget();
        }
      }
    }

    /** Events may be lost from here on. TLS of the JVM finds what it has lost by itself. */
    void onLoss() {
      plain.onLoss();
      if (nativeTls != null) {
        nativeTls.onLoss();
      }
    }

    /** It gives way to another one: what was in flight is not told, but counted. */
    void giveUp() {
      onLoss();
      TlsConnection secured = tls;
      if (secured != null) {
        secured.giveUp();
      }
    }
  }

  private final ClientOwners owners;

  /** Finished calls go to the sink, but for those that have a span already. */
  public SocketEvents(Consumer<ClientCall> sink, ClientOwners owners, WireCounters counters) {
    this(sink, owners, counters, null, null);
  }

  /**
   * The same, with the plaintext of TLS where there is a tap for it, and the answers of servers
   * that no handler tells of.
   */
  public SocketEvents(
      Consumer<ClientCall> sink,
      ClientOwners owners,
      WireCounters counters,
      @Nullable TlsTap tap,
      @Nullable SocketServers servers) {
    this.servers = servers;
    this.serverTls = new ServerTls(tap == null ? null : tap.certificates());
    // What another tracer's span stands for is the call that comes after the lookup.
    this.lookups =
        new DnsLookups(
            call -> {
              if (owners.wantsLookup(call)) {
                sink.accept(call);
              }
            },
            counters);
    this.sink =
        call -> {
          if (!owners.take(call)) {
            sink.accept(call);
          }
        };
    this.owners = owners;
    this.counters = counters;
    this.tls = tap == null ? null : new TlsJoin(tap, this.sink, counters, servers);
  }

  /** What handshakes of accepted connections tell. */
  public ServerTls serverTls() {
    return serverTls;
  }

  /** To be called now and then, also while there are no events. */
  public void poll() {
    if (tls != null) {
      tls.poll();
    }
    lookups.poll(System.nanoTime());
  }

  @Override
  public void accept(SocketEvent event) {
    if (event.role() == Layout.ROLE_DATAGRAM) {
      lookups.onDatagram(event.cookie(), describe(event), fill(event));
      return;
    }
    if (tls != null) {
      tls.poll(); // what was told before the event must be known when the event is read
    }
    if (event.role() == Layout.ROLE_SERVER || isServed(event)) {
      if (event.type() <= Layout.EVENT_CLOSED) {
        serverTls.onEvent(event, reading);
        serve(event);
      }
      return;
    }
    Long cookie = event.cookie();
    if (event.type() == Layout.EVENT_PLAIN_SENT || event.type() == Layout.EVENT_PLAIN_RECEIVED) {
      plaintext(connections.get(cookie), event);
      return;
    }
    if (event.type() == Layout.EVENT_TLS_FAILED) {
      Watched open = connections.get(cookie);
      failed(open == null ? closed.get(cookie) : open, event);
      return;
    }
    if (event.type() == Layout.EVENT_CLOSED) {
      Watched over = connections.remove(cookie);
      if (over != null) {
        over.onClose(event.ns());
        closed.put(cookie, over);
      }
      return;
    }
    Watched connection = connections.get(cookie);
    if (connection == null) {
      if (closed.containsKey(cookie)) {
        return;
      }
      if (event.role() == Layout.ROLE_UNKNOWN && event.type() == Layout.EVENT_RECEIVED) {
        // Open before us: either we answer here, or this answers what was asked before we looked.
        return;
      }
      ConnectionInfo info = describe(event);
      connection =
          new Watched(
              info,
              new WireConnection(info, sink, counters),
              StreamPositions.from(event, !info.joinedMidway()));
      connections.put(cookie, connection);
    }
    if (!connection.positions.take(event)) {
      connection.onLoss();
    }
    owners.onEvent(connection.owned, event);
    Chunk bytes = fill(event);
    connection.hellos = TlsHellos.feed(connection.hellos, bytes, Direction.SENT, event.isSecured());
    if (event.isSecured()) {
      openNative(connection);
    }
    if (connection.nativeTls != null) {
      return; // its plaintext comes by itself
    }
    if (connection.tls == null || !connection.tls.isBound()) {
      connection.plain.onChunk(bytes);
    }
    if (connection.tls == null && tls != null) {
      connection.tls = tls.begin(connection.info, connection.plain, bytes);
    }
    if (connection.tls != null) {
      connection.tls.onHellos(connection.hellos);
      connection.tls.onEvent(bytes, event.end());
    }
  }

  /** Whether one of the servers that no handler tells of works on a request of the connection. */
  private boolean isServed(SocketEvent event) {
    return servers != null && servers.isOpen(event.cookie());
  }

  private void serve(SocketEvent event) {
    SocketServers told = servers;
    if (told == null || !isServed(event)) {
      return; // server spans come from the handlers, with the slot's request
    }
    if (event.type() == Layout.EVENT_CLOSED) {
      told.onClosed(event.cookie(), event.ns());
    } else if (event.type() == Layout.EVENT_SENT) {
      told.onCarried(event.cookie(), event.end(), fill(event));
    }
  }

  /** The connection's TLS is in native code. */
  private NativeTls openNative(Watched connection) {
    NativeTls known = connection.nativeTls;
    if (known == null) {
      known = new NativeTls(connection.info, connection.plain, connection.hellos, counters);
      connection.nativeTls = known;
      TlsConnection engine = connection.tls;
      if (engine != null) {
        engine.forget();
        connection.tls = null;
      }
    }
    return known;
  }

  private void plaintext(@Nullable Watched connection, SocketEvent event) {
    if (connection == null) {
      counters.tlsDropped.increment(); // the event that told of the connection was lost
      return;
    }
    NativeTls library = openNative(connection);
    if (connection.plaintext == null) {
      connection.plaintext = StreamPositions.from(event, true);
    }
    if (!connection.plaintext.take(event)) {
      library.onLoss();
    }
    library.onPlaintext(fill(event));
  }

  /** A call of a native library has failed: the handshake, if there was no other yet. */
  private void failed(@Nullable Watched connection, SocketEvent event) {
    if (connection == null || connection.failed) {
      return;
    }
    NativeTls library = connection.nativeTls;
    if (library == null || !library.isUsed()) {
      connection.failed = true;
      sink.accept(NativeTlsFailure.call(connection.info, connection.hellos, fill(event)));
    }
  }

  /** For a while there were no events: each connection resynchronises at its next request. */
  public void onGap() {
    connections.values().forEach(Watched::onLoss);
    onLoss();
  }

  /**
   * Some events were lost. Connections on which we ask have noticed by their positions; of answers
   * it is not known where they began.
   */
  public void onLoss() {
    if (servers != null) {
      servers.onLoss();
    }
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
    boolean sent = event.isSent();
    chunk.direction = sent ? Direction.SENT : Direction.RECEIVED;
    chunk.timeNs = sent ? event.beginNs() : event.ns();
    chunk.arrivalNs = sent ? 0 : event.beginNs();
    chunk.totalLength = event.total();
    chunk.data = payload;
    chunk.length = event.captured();
    event.payload(payload);
    chunk.tail = event.tail();
    chunk.tailLength = chunk.tail.length;
    chunk.place = event.isFramed() ? place(event) : null;
    chunk.rttMicros = event.rttMicros();
    chunk.retransmits = event.retransmits();
    chunk.head =
        event.hasHead()
            ? new TraceHead(
                event.traceIdHigh(), event.traceIdLow(), event.spanId(), event.traceFlags() & 0xff)
            : null;
    if (servers != null) {
      chunk.head = servers.stillOpen(chunk.head, event.thread(), event.ns());
    }
    long[] ns = new long[Ledger.KINDS];
    event.account(ns);
    chunk.account = new ClientSpans.Account(event.ns(), ns, event.hasHead() ? event.thread() : 0);
    return chunk;
  }

  private Http2Place place(SocketEvent event) {
    place.left = event.frameLeft();
    place.keep = event.frameKeep();
    place.headLength = event.frameHead(place.head);
    return place;
  }
}
