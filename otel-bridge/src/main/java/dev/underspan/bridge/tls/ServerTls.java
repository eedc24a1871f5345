package dev.underspan.bridge.tls;

import dev.underspan.abi.Layout;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.TlsFacts;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What the handshakes of accepted connections told, for the spans of their requests: whatever
 * server and whatever library of TLS it was, since hellos are in the clear.
 */
public final class ServerTls {
  /** A power of two; a connection is at the place of its client's port. */
  private static final int PLACES = 1 << 14;

  private static final int HANDSHAKES = 1024;
  private static final int HANDSHAKE = 0x16;

  private final AtomicReferenceArray<@Nullable Entry> places = new AtomicReferenceArray<>(PLACES);
  private volatile @Nullable Runnable pump;

  /** Hellos without an answer so far, by cookie; the eldest gives way. For the events' thread. */
  private final Map<Long, TlsHellos> handshakes =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, TlsHellos> eldest) {
          return size() > HANDSHAKES;
        }
      };

  private record Entry(int localPort, int clientPort, @Nullable TlsFacts facts) {
    boolean is(int local, int client) {
      return localPort == local && clientPort == client;
    }
  }

  /** Nothing is known yet. */
  public ServerTls() {}

  /** How to have events read that are not read yet. */
  public void connect(Runnable newPump) {
    pump = newPump;
  }

  /**
   * An event of a connection that the process accepted, in order.
   *
   * @param read makes a chunk of it, called only for what may be a handshake
   */
  public void onEvent(SocketEvent event, Function<SocketEvent, Chunk> read) {
    int place = event.remotePort() & (PLACES - 1);
    if (event.type() == Layout.EVENT_CLOSED) {
      handshakes.remove(event.cookie());
      Entry entry = places.get(place);
      if (entry != null && entry.is(event.localPort(), event.remotePort())) {
        places.compareAndSet(place, entry, null);
      }
      return;
    }
    boolean begins = event.type() == Layout.EVENT_RECEIVED && event.firstByte() == HANDSHAKE;
    if (!begins && handshakes.isEmpty()) {
      return;
    }
    TlsHellos known = handshakes.get(event.cookie());
    if (known == null && !begins) {
      return;
    }
    TlsHellos hellos = TlsHellos.feed(known, read.apply(event), Direction.RECEIVED, false);
    if (hellos == null) {
      return;
    }
    if (hellos.isAnswered()) {
      handshakes.remove(event.cookie());
      TlsFacts facts = hellos.facts();
      if (facts.protocol != null) {
        places.set(place, new Entry(event.localPort(), event.remotePort(), facts));
      }
    } else {
      handshakes.put(event.cookie(), hellos);
    }
  }

  /** Of an open connection; null if its handshake was not seen. */
  public @Nullable TlsFacts of(int localPort, int clientPort) {
    int place = clientPort & (PLACES - 1);
    Entry entry = places.get(place);
    Runnable reading = pump;
    if (reading != null && (entry == null || !entry.is(localPort, clientPort))) {
      // Its first request may be quicker than whoever reads events.
      reading.run();
      Entry now = places.get(place);
      if (now == null || !now.is(localPort, clientPort)) {
        now = new Entry(localPort, clientPort, null); // never seen, so not to be looked for again
        places.compareAndSet(place, entry, now);
      }
      entry = now;
    }
    return entry == null || !entry.is(localPort, clientPort) ? null : entry.facts;
  }
}
