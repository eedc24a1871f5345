package dev.underspan.bridge.wire;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Reads the calls a client makes on one TCP connection out of what its socket carried.
 *
 * <p>The protocol is found by the first bytes sent, never by port, see {@link KnownProtocol}.
 * Chunks must come in the order in which they happened. Memory is bounded whatever the bytes are,
 * and no bytes make it throw. Not thread-safe.
 */
public final class WireConnection {
  private static final int MAX_TRIES = 16;
  private static final int MAX_HELD = 64;
  private static final int MAX_GREETING = 256;
  private static final byte[] NO_GREETING = new byte[0];

  private final ConnectionInfo info;
  private final WireCounters counters;
  private final Consumer<ClientCall> consumer;
  private final Calls sink;
  // Sent chunks too short to tell the protocol.
  private final List<Chunk> held = new ArrayList<>(0);
  // What the server said first, for those protocols in which it does.
  private byte[] greeting = NO_GREETING;
  private boolean greetingCut;
  private @Nullable Protocol protocol;
  private int tries;
  private boolean done;

  /**
   * Creates a reader for a connection.
   *
   * @param info what is known of it
   * @param sink takes each call, on the thread that feeds the chunks, when its response is over
   * @param counters shared counters
   */
  public WireConnection(ConnectionInfo info, Consumer<ClientCall> sink, WireCounters counters) {
    this.info = info;
    this.counters = counters;
    this.consumer = sink;
    this.sink = new Calls(info, sink, counters);
    if (info.joinedMidway()) {
      counters.midwayJoined.increment();
    }
    if (!info.clientSide()) {
      counters.serverSide.increment();
      done = true;
    }
  }

  /** What TLS protects on this connection: it begins where this one left off. */
  public WireConnection over(ConnectionInfo secured) {
    WireConnection inner = new WireConnection(secured, consumer, counters);
    inner.greeting = greeting;
    inner.greetingCut = greetingCut;
    return inner;
  }

  /** Takes the next chunk in order of time. */
  public void onChunk(Chunk chunk) {
    if (done || chunk.totalLength <= 0) {
      return;
    }
    Protocol current = protocol;
    if (current != null) {
      follow(current.onChunk(chunk));
    } else if (chunk.direction == Direction.SENT) {
      detect(chunk);
    } else if (!held.isEmpty()) {
      // The peer answers something shorter than any request.
      unknown();
    } else if (tries == 0 && !info.joinedMidway()) {
      greet(chunk);
    }
  }

  /**
   * Events of this connection may have been lost since the last chunk. Calls in flight are dropped
   * and reading resumes with the next request that can be told apart: without this a lost response
   * would shift every later one by one call.
   */
  public void onLoss() {
    held.clear();
    greeting = NO_GREETING;
    if (!done && protocol != null) {
      protocol.onLoss();
    }
  }

  /**
   * The connection is over; calls without an end are reported as incomplete.
   *
   * @param timeNs CLOCK_MONOTONIC ns
   * @param error true if it was reset rather than closed in order
   */
  public void onClose(long timeNs, boolean error) {
    if (!done && protocol != null) {
      protocol.onClose(timeNs, error);
    }
    end();
  }

  /** True once nothing more will come of this connection, whatever it carries. */
  public boolean isDone() {
    return done;
  }

  private void end() {
    done = true;
    protocol = null;
    held.clear();
  }

  private void follow(Protocol.Verdict verdict) {
    switch (verdict) {
      case CONTINUE -> {}
      case STOP -> end();
      case NOT_MINE -> {
        protocol = null;
        unknown();
      }
    }
  }

  private void greet(Chunk chunk) {
    int before = greeting.length;
    int n = Math.min(chunk.captured(), MAX_GREETING - before);
    if (n > 0 && !greetingCut) {
      greeting = Arrays.copyOf(greeting, before + n);
      System.arraycopy(chunk.data, 0, greeting, before, n);
    }
    greetingCut |= n < chunk.totalLength;
  }

  private void unknown() {
    held.clear();
    greeting = NO_GREETING;
    if (tries == 0) {
      counters.unknownProtocol.increment();
    }
    if (++tries >= MAX_TRIES) {
      counters.abandoned.increment();
      end();
    }
  }

  private void detect(Chunk chunk) {
    byte[] data = chunk.data;
    int length = chunk.captured();
    boolean whole = length == chunk.totalLength;
    if (!held.isEmpty()) {
      int before = held.stream().mapToInt(c -> c.length).sum();
      data = new byte[before + length];
      int at = 0;
      for (Chunk h : held) {
        System.arraycopy(h.data, 0, data, at, h.length);
        at += h.length;
      }
      System.arraycopy(chunk.data, 0, data, at, length);
      length = data.length;
    }
    if (length >= 2 && data[0] == 0x16 && data[1] == 0x03) {
      counters.tlsConnections.increment();
      end();
      return;
    }
    KnownProtocol.Opening opening =
        new KnownProtocol.Opening(data, length, whole, info.joinedMidway() || tries > 0, greeting);
    boolean maybe = false;
    for (KnownProtocol known : KnownProtocol.values()) {
      Match match = known.match(opening);
      if (match == Match.YES) {
        start(known.reader(opening, sink, counters), chunk);
        return;
      }
      maybe |= match == Match.MAYBE;
    }
    if (maybe && whole && length <= MAX_HELD) {
      held.add(chunk.copy());
    } else {
      unknown();
    }
  }

  private void start(Protocol found, Chunk chunk) {
    if (tries > 0) {
      counters.resynchronised.increment();
    }
    protocol = found;
    List<Chunk> replay = List.copyOf(held);
    held.clear();
    for (Chunk h : replay) {
      if (protocol == found) {
        follow(found.onChunk(h));
      }
    }
    if (protocol == found) {
      follow(found.onChunk(chunk));
    }
  }
}
