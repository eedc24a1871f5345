package dev.underspan.bridge.wire;

/**
 * Cuts one direction of a MySQL connection into packets: a three byte length, a sequence number, a
 * payload. A payload of 16 MiB and more is several packets; only the first is delivered.
 */
abstract class MySqlPacketReader extends MessageReader {
  private static final int FULL = 0xffffff;

  private boolean more;
  private boolean continued;
  private int sequence;
  private long length;

  MySqlPacketReader(WireCounters counters) {
    super(MySqlSyntax.HEADER, counters);
  }

  /** A packet begins; returns how much of its payload to keep, or {@link #INVALID}. */
  abstract int packet(int sequence, long length);

  /** The current payload goes on in another packet. */
  abstract void goesOn(int sequence);

  /** The first packet of a payload is over; {@code cut} if it is longer than what was kept. */
  abstract void payload(byte[] body, int kept, long length, boolean cut);

  /** The end of a result set among these last bytes of a chunk: its status flags, or -1. */
  static int resultSetEnd(long before, long last) {
    // EOF: 05 00 00 seq, fe, warnings, status.
    if ((before & 0xff) == 5 && last >>> 48 == 0 && (last >>> 32 & 0xff) == 0xfe) {
      return swap(last);
    }
    // OK: 07 00 00 seq, fe, no rows, no id, status, warnings.
    if ((before & 0xffffff) == 0x070000 && (last >>> 32 & 0xffffff) == 0xfe0000) {
      return swap(last >>> 16);
    }
    // The same with an empty text after it.
    if ((before >>> 8 & 0xffffff) == 0x080000 && last >>> 40 == 0xfe0000 && (last & 0xff) == 0) {
      return swap(last >>> 24);
    }
    return -1;
  }

  private static int swap(long littleEndian) {
    return (int) ((littleEndian & 0xff) << 8 | (littleEndian >>> 8 & 0xff));
  }

  @Override
  final int headLength() {
    return MySqlSyntax.HEADER;
  }

  @Override
  final long bodyLength(byte[] head) {
    sequence = head[3] & 0xff;
    return MySqlSyntax.int24(head, 0);
  }

  @Override
  final int begin(long bodyLength) {
    continued = more;
    more = bodyLength == FULL;
    length = bodyLength;
    if (continued) {
      goesOn(sequence);
      return 0;
    }
    return packet(sequence, bodyLength);
  }

  @Override
  final void end(byte[] body, int kept, boolean cut) {
    if (!continued) {
      payload(body, kept, length, cut);
    }
  }

  @Override
  final boolean endsAll(long before, long last) {
    // A value may hold anything, and a wrong frame is found out by the sequence number.
    return false;
  }

  @Override
  final void lost() {
    more = false;
    framesLost();
  }

  /** As {@link #lost()}. */
  abstract void framesLost();
}
