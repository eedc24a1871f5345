package dev.underspan.bridge.wire;

import dev.underspan.bridge.map.BoundedMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Pairs the questions that a process sends to name servers over UDP with their answers. Memory is
 * bounded, and no bytes make it throw. Not thread-safe.
 */
public final class DnsLookups {
  private static final int MAX_PENDING = 1024;

  /** Resolvers give up after 5 seconds, and some after 30. */
  private static final long MAX_WAIT_NS = 30_000_000_000L;

  private final Consumer<ClientCall> sink;
  private final WireCounters counters;
  private final Map<Key, Lookup> pending;

  /** Finished lookups go to the sink. */
  public DnsLookups(Consumer<ClientCall> sink, WireCounters counters) {
    this.sink = sink;
    this.counters = counters;
    this.pending = BoundedMap.byAge(MAX_PENDING, eldest -> counters.callsDropped.increment());
  }

  private record Key(long socket, int id) {}

  private static final class Lookup extends PendingCall {
    final ConnectionInfo server;
    final DnsMessage question;
    final @Nullable TraceHead asker;
    long lastNs;

    Lookup(ConnectionInfo server, DnsMessage question, Chunk chunk) {
      super(chunk);
      this.server = server;
      this.question = question;
      this.asker = chunk.head;
    }

    boolean asksTheSame(DnsMessage other, @Nullable TraceHead otherAsker) {
      return question.name().equals(other.name())
          && question.type().equals(other.type())
          && Objects.equals(asker, otherAsker);
    }
  }

  /**
   * A datagram with a question or an answer.
   *
   * @param socket tells sockets apart
   * @param server where it went to; not known of an answer to a socket that is not connected
   */
  public void onDatagram(long socket, ConnectionInfo server, Chunk chunk) {
    DnsMessage message = DnsMessage.read(chunk.data, chunk.captured());
    if (message == null) {
      counters.parseErrors.increment();
      return;
    }
    Key key = new Key(socket, message.id());
    if (chunk.direction == Direction.RECEIVED) {
      Lookup lookup = pending.get(key);
      if (lookup != null && message.response()) {
        pending.remove(key);
        lookup.received(chunk, chunk.totalLength);
        end(lookup, message, chunk.timeNs);
      }
      return;
    }
    if (message.response()) {
      return; // of a name server's own
    }
    Lookup again = pending.get(key);
    if (again != null && again.asksTheSame(message, chunk.head)) {
      again.sent(chunk, chunk.totalLength);
      again.lastNs = chunk.timeNs;
      return;
    }
    giveUp(message, chunk);
    Lookup lookup = new Lookup(server, message, chunk);
    lookup.sent(chunk, chunk.totalLength);
    lookup.lastNs = chunk.timeNs;
    pending.put(key, lookup);
  }

  /** Whoever asks the same once more, elsewhere, waits for the first answer no longer. */
  private void giveUp(DnsMessage message, Chunk chunk) {
    for (Iterator<Lookup> i = pending.values().iterator(); i.hasNext(); ) {
      Lookup lookup = i.next();
      if (lookup.asksTheSame(message, chunk.head) && chunk.head != null) {
        i.remove();
        end(lookup, null, chunk.timeNs);
      }
    }
  }

  /** Ends those that have waited for too long; to be called now and then. */
  public void poll(long nowNs) {
    Iterator<Lookup> i = pending.values().iterator();
    while (i.hasNext()) {
      Lookup lookup = i.next();
      if (nowNs - lookup.lastNs < MAX_WAIT_NS) {
        return; // the others began later
      }
      i.remove();
      end(lookup, null, lookup.lastNs);
    }
  }

  private void end(Lookup lookup, @Nullable DnsMessage answer, long atNs) {
    counters.calls.increment();
    sink.accept(
        lookup.toCall(
            lookup.server,
            false,
            atNs,
            answer == null ? ClientCall.TIMEOUT : answer.error(),
            answer != null,
            new ClientCall.Lookup(
                lookup.question.name(),
                lookup.question.type(),
                answer == null ? List.of() : answer.addresses())));
  }
}
