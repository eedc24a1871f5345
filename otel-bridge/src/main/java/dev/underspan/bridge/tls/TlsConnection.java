package dev.underspan.bridge.tls;

import dev.underspan.bridge.wire.Chunk;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.ConnectionInfo;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.TraceHead;
import dev.underspan.bridge.wire.WireConnection;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/** A connection of the kernel's that carries TLS, and what is joined to it. */
public final class TlsConnection {
  private static final int ARRIVALS_UNBOUND = 64;
  private static final int ARRIVALS = 1024;

  private final ConnectionInfo info;
  private final WireConnection plain;
  private final TlsJoin join;
  private final TlsRecords sentRecords = new TlsRecords();
  private final TlsRecords receivedRecords = new TlsRecords();
  private @Nullable TlsHellos hellos;
  private @Nullable TlsFlow out;
  private @Nullable TlsFlow in;
  private @Nullable WireConnection wire;
  private final Chunk chunk = new Chunk();

  // Of the event that carried the latest hello.
  private long helloNs;
  private @Nullable TraceHead helloHead;
  private int helloRtt;

  /** Reads of which not all plaintext has come. */
  private final ArrayDeque<Arrival> arrivals = new ArrayDeque<>(0);

  private record Arrival(
      long start,
      long end,
      long timeNs,
      long arrivalNs,
      @Nullable TraceHead head,
      @Nullable Object account,
      int rttMicros,
      int retransmits) {}

  TlsConnection(ConnectionInfo info, WireConnection plain, TlsJoin join) {
    this.info = info;
    this.plain = plain;
    this.join = join;
  }

  /** What the handshake showed on the wire; null if nothing. */
  public void onHellos(@Nullable TlsHellos newHellos) {
    hellos = newHellos;
    TlsFlow flow = out;
    if (flow != null && newHellos != null) {
      newHellos.complete(flow.facts);
    }
  }

  /** Whether it is known whose ciphertext is sent here. */
  public boolean isBound() {
    return out != null;
  }

  /**
   * A socket event.
   *
   * @param event its bytes are ciphertext
   * @param end how many bytes the connection has moved in this direction, these included
   */
  public void onEvent(Chunk event, long end) {
    long start = end - event.totalLength;
    if (event.direction == Direction.SENT) {
      sent(event, start, end);
    } else {
      arrivals.add(
          new Arrival(
              start,
              end,
              event.timeNs,
              event.arrivalNs,
              event.head,
              event.account,
              event.rttMicros,
              event.retransmits));
      if (arrivals.size() > (in == null ? ARRIVALS_UNBOUND : ARRIVALS)) {
        arrivals.remove();
      }
      if (in == null) {
        receivedRecords.feed(
            start,
            event.data,
            0,
            event.length,
            event.totalLength,
            (key, position) -> join.received(this, key, position));
      }
      pumpReceived();
    }
  }

  private void sent(Chunk event, long start, long end) {
    // A hello in the clear begins another session on this connection.
    if (out == null || TlsKey.hello(event.data, 0, event.length) == TlsKey.CLIENT_HELLO) {
      helloNs = event.timeNs;
      helloHead = event.head;
      helloRtt = event.rttMicros;
      sentRecords.feed(
          start,
          event.data,
          0,
          event.length,
          event.totalLength,
          (key, position) -> join.sent(this, key, position));
    }
    TlsFlow flow = out;
    while (flow != null && !flow.waiting.isEmpty()) {
      TlsMessage message = flow.waiting.element();
      long at = message.start + flow.base;
      if (at >= end) {
        return;
      }
      flow.waiting.remove();
      if (at < start) {
        join.drop(message); // its event was lost
        continue;
      }
      int offset = (int) Math.min(at - start, Integer.MAX_VALUE);
      TlsKey there = TlsKey.of(event.data, offset, event.length - offset);
      if (there != null && message.key != null && !there.equals(message.key)) {
        mismatch(flow);
        join.drop(message);
        return;
      }
      message.fill(chunk);
      chunk.direction = Direction.SENT;
      chunk.timeNs = event.timeNs;
      chunk.arrivalNs = 0;
      chunk.head = event.head;
      chunk.account = event.account;
      chunk.rttMicros = event.rttMicros;
      chunk.retransmits = event.retransmits;
      feed(flow, message);
    }
  }

  /** Takes the plaintext whose ciphertext has been read. */
  void pumpReceived() {
    TlsFlow flow = in;
    while (flow != null && !flow.waiting.isEmpty()) {
      TlsMessage message = flow.waiting.element();
      long last = message.end + flow.base - 1;
      long first = Math.min(message.start + flow.base, last);
      while (!arrivals.isEmpty() && arrivals.element().end <= first) {
        arrivals.remove();
      }
      if (arrivals.isEmpty() || arrivals.getLast().end <= last) {
        return; // its event is still to come
      }
      flow.waiting.remove();
      Arrival read = null;
      for (Arrival arrival : arrivals) {
        if (arrival.end > last) {
          read = arrival.start <= last ? arrival : null;
          break;
        }
      }
      message.fill(chunk);
      chunk.direction = Direction.RECEIVED;
      Arrival began = arrivals.element();
      // Only of the read's first byte it is known when it arrived.
      chunk.arrivalNs = first == began.start ? began.arrivalNs : 0;
      if (read == null) {
        // Its event was lost, so this is the next best; the call is known all the same.
        join.counters.tlsUntimed.increment();
        chunk.timeNs = message.timeNs;
        chunk.head = null;
        chunk.account = null;
      } else {
        chunk.timeNs = read.timeNs;
        chunk.head = read.head;
        chunk.account = read.account;
        chunk.rttMicros = read.rttMicros;
        chunk.retransmits = read.retransmits;
      }
      feed(flow, message);
    }
  }

  private void feed(TlsFlow flow, TlsMessage message) {
    WireConnection current = wire;
    if (current == null && out != null) {
      if (hellos != null) {
        hellos.completeAgreed(out.facts); // there is plaintext, so the handshake is done
      }
      boolean midway = info.joinedMidway() || !out.fresh;
      current = plain.over(info.over(out.facts, midway));
      wire = current;
    }
    if (current != null) {
      if (message.index != flow.expected) {
        current.onLoss();
      }
      current.onChunk(chunk);
    }
    flow.expected = message.index + 1;
    join.done(message);
  }

  void bindSent(TlsFlow flow, long base) {
    TlsFlow before = out;
    if (before == flow) {
      return;
    }
    if (before != null) {
      join.forget(before);
      wire = null; // its calls were over, or will never be
    }
    bind(flow, base);
    out = flow;
    join.counters.tlsJoined.increment();
    TlsFailure failure = flow.failure;
    if (failure != null) {
      onFailure(flow, failure);
    }
  }

  /** The handshake failed: a call of its own, as there will be no other. */
  void onFailure(TlsFlow flow, TlsFailure failure) {
    flow.failure = null;
    flow.failureTold = true;
    long begin = Math.min(helloNs, failure.timeNs());
    join.sink.accept(
        new ClientCall(
            info.over(flow.facts, info.joinedMidway()),
            !info.joinedMidway(),
            begin,
            begin,
            0,
            failure.timeNs(),
            failure.head() != null ? failure.head() : helloHead,
            flow.position,
            arrivals.isEmpty() ? 0 : arrivals.getLast().end - arrivals.element().start,
            null,
            null,
            helloRtt,
            helloRtt,
            0,
            0,
            failure.type(),
            false,
            -1,
            new ClientCall.Handshake()));
  }

  void bindReceived(TlsFlow flow, long base) {
    TlsFlow before = in;
    if (before == flow) {
      return;
    }
    if (before != null) {
      join.forget(before);
    }
    bind(flow, base);
    in = flow;
    pumpReceived();
  }

  private void bind(TlsFlow flow, long base) {
    if (!flow.waiting.isEmpty()) {
      flow.expected = flow.waiting.element().index;
    }
    flow.base = base;
    flow.connection = this;
    flow.bound = true;
  }

  /** What was sent is not what the application made: nothing is known until a key fits again. */
  private void mismatch(TlsFlow flow) {
    join.counters.tlsMismatched.increment();
    flow.bound = false;
    flow.connection = null;
    out = null;
    WireConnection current = wire;
    if (current != null) {
      current.onLoss();
    }
  }

  /** The connection is over. */
  public void onClose(long timeNs) {
    forget();
    WireConnection current = wire;
    if (current != null) {
      current.onClose(timeNs, false);
    }
  }

  /** It is read no more; what was in flight is counted as dropped. */
  public void giveUp() {
    forget();
    WireConnection current = wire;
    if (current != null) {
      current.onLoss();
    }
  }

  /** Nothing more is wanted of it. */
  public void forget() {
    if (out != null) {
      join.forget(out);
    }
    if (in != null) {
      join.forget(in);
    }
    if (out == null || !out.mayTellFailure()) {
      arrivals.clear();
    }
  }
}
