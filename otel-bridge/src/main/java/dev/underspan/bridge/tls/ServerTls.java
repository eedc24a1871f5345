package dev.underspan.bridge.tls;

import dev.underspan.abi.Layout;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.map.BoundedMap;
import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.ClientCertificate;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.TlsFacts;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What the handshakes of accepted connections told, for the spans of their requests: whatever
 * server and whatever library of TLS it was, since hellos are in the clear.
 */
public final class ServerTls {
  private static final int HANDSHAKES = 1024;
  private static final int HANDSHAKE = 0x16;
  private static final int MAX_ASKING = 1024;

  private final SecuredPeers peers = new SecuredPeers();
  private final ConcurrentLinkedQueue<Question> questions = new ConcurrentLinkedQueue<>();
  private final AtomicLong asked = new AtomicLong();

  private final AtomicLong answered = new AtomicLong();

  /** Hellos without an answer so far, by cookie; the eldest gives way. For the events' thread. */
  private final Map<Long, TlsHellos> handshakes = BoundedMap.byAge(HANDSHAKES);

  /**
   * A connection that is asked for.
   *
   * @param cookie the kernel's, which no other has; 0 if unknown
   * @param localPort 0 if unknown
   * @param address the client's, as the application knows it; null if it does not
   * @param sinceNs a time at which it was open, CLOCK_MONOTONIC: ports are used again
   */
  public record Connection(
      long cookie, int localPort, int clientPort, @Nullable String address, long sinceNs) {
    /** As far as can be told. */
    boolean isSame(Connection other) {
      return (cookie != 0 && other.cookie != 0)
          ? cookie == other.cookie
          : clientPort == other.clientPort && localPort == other.localPort;
    }
  }

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
    if (event.type() == Layout.EVENT_CLOSED) {
      handshakes.remove(event.cookie());
      peers.close(event);
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
        peers.put(event, facts, hellos.answerKey());
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

  /** Whether there is anything to be had from {@link #facts}, or known that there is nothing. */
  public boolean isKnown(Connection connection) {
    return peers.find(connection) != null || peers.isUnseen(connection);
  }

  /** What is known of a connection by now; null if nothing. */
  public @Nullable TlsFacts facts(Connection connection) {
    SecuredPeers.Entry entry = peers.find(connection);
    if (entry == null) {
      return null;
    }
    if (entry.hello != null && certificates != null) {
      // The server came to know its client after its hello.
      ClientCertificate shown = certificates.take(entry.hello);
      if (shown != null) {
        entry.facts.clientCertificate = shown;
      }
    }
    return entry.facts;
  }

  /** All events so far were read, and the connection's hellos were not among them. */
  public void none(Connection connection) {
    peers.notSeen(connection);
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
