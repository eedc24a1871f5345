package dev.underspan.bridge.tls;

import dev.underspan.abi.Layout;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.TlsFacts;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Consumer;
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
  private static final int MAX_ASKING = 1024;

  private final AtomicReferenceArray<@Nullable Entry> places = new AtomicReferenceArray<>(PLACES);
  private final ConcurrentLinkedQueue<Question> questions = new ConcurrentLinkedQueue<>();
  private final AtomicLong asked = new AtomicLong();

  private final AtomicLong answered = new AtomicLong();

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

  private record Question(int localPort, int clientPort, Consumer<@Nullable TlsFacts> asking) {}

  /** Nothing is known yet. */
  public ServerTls() {}

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

  /**
   * Gives what is known of an open connection, null if its handshake was not seen: at once, or on
   * the events' thread when all events have been read that there are now. A connection's first
   * request may be quicker than whoever reads them.
   */
  public void tell(int localPort, int clientPort, Consumer<@Nullable TlsFacts> asking) {
    Entry entry = places.get(clientPort & (PLACES - 1));
    if (entry != null && entry.is(localPort, clientPort)) {
      asking.accept(entry.facts);
    } else if (asked.get() - answered.get() < MAX_ASKING) {
      questions.add(new Question(localPort, clientPort, asking));
      asked.incrementAndGet();
    } else {
      asking.accept(null);
    }
  }

  /** Before events are read; for {@link #answer}. */
  public long asked() {
    return asked.get();
  }

  /** After they were: answers so many of the questions. */
  public void answer(long until) {
    while (answered.get() < until) {
      Question question = questions.poll();
      if (question == null) {
        return;
      }
      answered.incrementAndGet();
      int place = question.clientPort & (PLACES - 1);
      Entry entry = places.get(place);
      if (entry == null || !entry.is(question.localPort, question.clientPort)) {
        // Never seen, so not to be asked for again.
        entry = new Entry(question.localPort, question.clientPort, null);
        places.set(place, entry);
      }
      question.asking.accept(entry.facts);
    }
  }
}
