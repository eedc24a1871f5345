package dev.underspan.bridge.correlate;

import dev.underspan.abi.SocketEvent;

/**
 * Where both directions of a stream of bytes stand, so that events which are missing are noticed by
 * the next one of their direction.
 */
final class StreamPositions {
  private static final long UNKNOWN = -1;

  private long sent = UNKNOWN;
  private long received = UNKNOWN;

  private StreamPositions() {}

  /**
   * Of a stream that is seen from this event on; {@link #take} is still to be called for it.
   *
   * @param whole false if there may be events that are kept from here, so that nothing is missing
   *     where a direction does not begin at 0
   */
  static StreamPositions from(SocketEvent event, boolean whole) {
    StreamPositions positions = new StreamPositions();
    if (whole && event.end() == event.total()) {
      positions.sent = 0;
      positions.received = 0;
    }
    return positions;
  }

  /** Takes the stream's next event; false if others are missing before it. */
  boolean take(SocketEvent event) {
    long end = event.end();
    long before;
    if (event.isSent()) {
      before = sent;
      sent = end;
    } else {
      before = received;
      received = end;
    }
    return before == UNKNOWN || before == end - event.total();
  }
}
