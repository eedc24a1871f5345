package dev.underspan.bridge.wire;

/**
 * Cuts one direction of a PostgreSQL connection into messages: a type byte (absent before the
 * startup message is over), a four byte length that counts itself, a body.
 */
abstract class PgMessageReader extends MessageReader {
  // The server's own limit for a message is 1 GiB.
  private static final long MAX_LENGTH = 1L << 30;

  private boolean untyped;
  private int type;

  PgMessageReader(WireCounters counters) {
    super(5, counters);
  }

  /** A message begins; returns how much of its body to keep, or {@link #INVALID}. */
  abstract int header(int type, long bodyLength);

  /** A message is over; {@code cut} if its body is longer than what was kept. */
  abstract void message(int type, byte[] body, int length, boolean cut);

  /** As {@link #endsAll(long, long)}, for the last eight bytes. */
  abstract boolean endsAll(long window);

  /** As {@link #lostChunkEnd(long, long)}, for the last eight bytes. */
  abstract void lostChunkEnd(long window);

  final void untyped(boolean value) {
    untyped = value;
  }

  final boolean untyped() {
    return untyped;
  }

  @Override
  final int headLength() {
    return untyped ? 4 : 5;
  }

  @Override
  final long bodyLength(byte[] head) {
    type = untyped ? 0 : head[0] & 0xff;
    long length = PgSyntax.int32(head, untyped ? 0 : 1) & 0xffffffffL;
    return length < 4 || length > MAX_LENGTH ? INVALID : length - 4;
  }

  @Override
  final int begin(long bodyLength) {
    return header(type, bodyLength);
  }

  @Override
  final void end(byte[] body, int length, boolean cut) {
    message(type, body, length, cut);
  }

  @Override
  final boolean endsAll(long before, long last) {
    return endsAll(last);
  }

  @Override
  final void lostChunkEnd(long before, long last) {
    lostChunkEnd(last);
  }
}
