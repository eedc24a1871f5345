package dev.underspan.bridge.tls;

import dev.underspan.abi.Layout;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.ClientCertificate;
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

  private static final class Entry {
    private final int localPort;
    private final int clientPort;
    final @Nullable TlsFacts facts;
    final @Nullable TlsKey hello;

    /** When the connection was closed, CLOCK_MONOTONIC; 0: not yet. */
    volatile long closedNs;

    Entry(int localPort, int clientPort, @Nullable TlsFacts facts, @Nullable TlsKey hello) {
      this.localPort = localPort;
      this.clientPort = clientPort;
      this.facts = facts;
      this.hello = hello;
    }

    /** Of ports, 0 means unknown. */
    boolean is(int local, int client) {
      return (localPort == local || local == 0 || localPort == 0) && clientPort == client;
    }

    /** Whether it is of the connection between these ports that was open at that time. */
    boolean is(Connection asked) {
      return is(asked.localPort, asked.clientPort)
          && (closedNs == 0 || closedNs - asked.sinceNs >= 0);
    }
  }

  /**
   * A connection that is asked for.
   *
   * @param localPort 0 if unknown
   * @param sinceNs a time at which it was open, CLOCK_MONOTONIC: ports are used again
   */
  public record Connection(int localPort, int clientPort, long sinceNs) {}

  private record Question(Connection connection, Consumer<@Nullable TlsFacts> asking) {}

  private final @Nullable ClientCertificates certificates;

  /** Nothing is known yet; of clients only what servers of this process have seen, if anything. */
  public ServerTls(@Nullable ClientCertificates certificates) {
    this.certificates = certificates;
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
        entry.closedNs = event.ns(); // spans of its requests may be still to end
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
        places.set(
            place, new Entry(event.localPort(), event.remotePort(), facts, hellos.answerKey()));
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
  public void tell(Connection connection, Consumer<@Nullable TlsFacts> asking) {
    if (isKnown(connection)) {
      asking.accept(facts(connection));
    } else if (asked.get() - answered.get() < MAX_ASKING) {
      questions.add(new Question(connection, asking));
      asked.incrementAndGet();
    } else {
      asking.accept(null);
    }
  }

  private @Nullable Entry entry(Connection connection) {
    Entry entry = places.get(connection.clientPort & (PLACES - 1));
    return entry != null && entry.is(connection) ? entry : null;
  }

  /** Whether there is anything to be had from {@link #facts}, or known that there is nothing. */
  public boolean isKnown(Connection connection) {
    return entry(connection) != null;
  }

  /** What is known of a connection by now; null if nothing. */
  public @Nullable TlsFacts facts(Connection connection) {
    Entry entry = entry(connection);
    TlsFacts facts = entry == null ? null : entry.facts;
    if (entry != null && facts != null && entry.hello != null && certificates != null) {
      // The server came to know its client after its hello.
      ClientCertificate shown = certificates.take(entry.hello);
      if (shown != null) {
        facts.clientCertificate = shown;
      }
    }
    return facts;
  }

  /** All events so far were read, and the connection's hellos were not among them. */
  public void none(Connection connection) {
    places.set(
        connection.clientPort & (PLACES - 1),
        new Entry(connection.localPort, connection.clientPort, null, null));
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
      if (!isKnown(question.connection)) {
        none(question.connection); // not to be asked for again
      }
      question.asking.accept(facts(question.connection));
    }
  }
}
