package dev.underspan.bridge.tls;

import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.map.BoundedMap;
import dev.underspan.bridge.tls.ServerTls.Connection;
import dev.underspan.bridge.wire.TlsFacts;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * The accepted connections whose handshakes were seen, and some of those of which it is known that
 * they were not. Several can have the same client's port: from other addresses, to other ports of
 * ours, and one after the other. The kernel's cookie tells them apart; who does not know it asks by
 * ports and time. Filled by the events' thread, asked by any.
 */
final class SecuredPeers {
  private static final int OPEN = 16_384;

  /** Spans may end after their connection. */
  private static final int CLOSED = 4096;

  /** From as many addresses, or to as many ports. */
  private static final int SAME_PORT = 64;

  /** A power of two. */
  private static final int UNSEEN = 1024;

  /** Of each client's port, the latest first. */
  private final Map<Integer, List<Entry>> byClientPort = new ConcurrentHashMap<>();

  /** By cookie; the eldest gives way. */
  private final Map<Long, Entry> open = BoundedMap.byAge(OPEN, this::unlink);

  private final Map<Long, Entry> closed = BoundedMap.byAge(CLOSED, this::unlink);
  private final AtomicReferenceArray<@Nullable Connection> unseen =
      new AtomicReferenceArray<>(UNSEEN);

  /** What is known of a connection. */
  static final class Entry {
    private final long cookie;
    private final int localPort;
    private final int clientPort;
    private final String address;
    final TlsFacts facts;

    /** The server's. */
    final @Nullable TlsKey hello;

    /** When the connection was closed, CLOCK_MONOTONIC; 0: not yet. */
    private volatile long closedNs;

    private Entry(SocketEvent event, TlsFacts facts, @Nullable TlsKey hello) {
      this.cookie = event.cookie();
      this.localPort = event.localPort();
      this.clientPort = event.remotePort();
      this.address = event.remoteAddress();
      this.facts = facts;
      this.hello = hello;
    }

    private boolean is(Connection asked) {
      return asked.cookie() != 0
          ? asked.cookie() == cookie
          : (asked.localPort() == localPort || asked.localPort() == 0)
              && (closedNs == 0 || closedNs - asked.sinceNs() >= 0);
    }
  }

  /** A handshake has been seen, of which this is the last event. */
  void put(SocketEvent event, TlsFacts facts, @Nullable TlsKey hello) {
    Entry entry = new Entry(event, facts, hello);
    Entry before = open.remove(entry.cookie);
    if (before != null) {
      unlink(before);
    }
    byClientPort.merge(entry.clientPort, List.of(entry), SecuredPeers::join);
    open.put(entry.cookie, entry);
  }

  private static List<Entry> join(List<Entry> before, List<Entry> added) {
    List<Entry> all = new ArrayList<>(added);
    all.addAll(before);
    return List.copyOf(all.subList(0, Math.min(all.size(), SAME_PORT)));
  }

  private void unlink(Entry entry) {
    byClientPort.computeIfPresent(
        entry.clientPort,
        (port, entries) -> {
          List<Entry> rest = entries.stream().filter(other -> other != entry).toList();
          return rest.isEmpty() ? null : rest;
        });
  }

  /** A connection is over. Its socket has no local port any more. */
  void close(SocketEvent event) {
    unseen.set(event.remotePort() & (UNSEEN - 1), null);
    Entry entry = open.remove(event.cookie());
    if (entry != null) {
      entry.closedNs = event.ns();
      closed.put(entry.cookie, entry);
    }
  }

  /** All events so far were read, and the connection's handshake was not among them. */
  void notSeen(Connection connection) {
    unseen.set(connection.clientPort() & (UNSEEN - 1), connection);
  }

  boolean isUnseen(Connection connection) {
    Connection known = unseen.get(connection.clientPort() & (UNSEEN - 1));
    return known != null && known.isSame(connection);
  }

  /** The connection's; null if there is none. */
  @Nullable Entry find(Connection connection) {
    Entry found = null;
    for (Entry entry : byClientPort.getOrDefault(connection.clientPort(), List.of())) {
      if (entry.is(connection)) {
        if (entry.address.equals(connection.address())) {
          return entry;
        }
        if (found == null) {
          found = entry; // the application may know its client by another address
        }
      }
    }
    return found;
  }
}
