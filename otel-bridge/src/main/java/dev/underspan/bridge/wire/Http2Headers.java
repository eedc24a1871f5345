package dev.underspan.bridge.wire;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.hc.core5.http.Header;
import org.apache.hc.core5.http2.hpack.HPackDecoder;
import org.apache.hc.core5.http2.hpack.HPackException;
import org.jspecify.annotations.Nullable;

/**
 * The header compression of one direction (RFC 7541), which stays exact when blocks were missed.
 *
 * <p>An index into the dynamic table counts from its newest entry. So after a gap entries that come
 * later are known by their index, and only those from before the gap are not: the table is filled
 * with the smallest entries that there can be, nameless ones. They stand for at least as many real
 * ones and are the first to be evicted, hence whatever refers to the time before the gap finds a
 * nameless entry, or none. SETTINGS need not be read for the table's size: an encoder announces
 * each change within a block (4.2, 6.3).
 */
final class Http2Headers {
  private static final int INITIAL_TABLE = 4096;
  // What the peers may agree on at most; beyond, the table counts as unknown.
  private static final int MAX_TABLE = 64 * 1024;
  // The table's size is not known after a gap. More than it has does no harm.
  private static final int UNKNOWN_TABLE = 16 * 1024;
  private static final int SMALLEST_ENTRY = 32;

  private final WireCounters counters;
  private @Nullable HPackDecoder decoder;
  private boolean gap;
  // Until it is known whether there was another gap: what is known if there was.
  private boolean doubted;
  private @Nullable HPackDecoder careful;
  private @Nullable Http2Fields likely;

  Http2Headers(boolean midway, WireCounters counters) {
    this.counters = counters;
    this.gap = midway;
  }

  /** Blocks may have been missed. */
  void forget() {
    counters.headerTablesLost.increment();
    gap = true;
    decoder = null;
    confirm();
  }

  /** Blocks may have been missed, which will turn out later. */
  void doubt() {
    doubted = true;
  }

  /** None were. */
  void confirm() {
    doubted = false;
    careful = null;
    likely = null;
  }

  /** What the last block says if none were missed; null if that is not in doubt. */
  @Nullable Http2Fields likely() {
    return likely;
  }

  /**
   * Reads a block.
   *
   * @param whole false if only its first {@code length} bytes were captured
   */
  Http2Fields read(byte[] block, int length, boolean whole) {
    Http2Fields fields = new Http2Fields();
    boolean good = true;
    if (doubted) {
      HPackDecoder fallback = careful == null ? table(true) : careful;
      careful = fallback;
      good = decode(fallback, block, length, fields);
    }
    Http2Fields asIf = doubted ? new Http2Fields() : fields;
    HPackDecoder hpack = decoder == null ? table(gap) : decoder;
    decoder = hpack;
    good &= decode(hpack, block, length, asIf);
    likely = doubted ? asIf : null;
    if (!good || !whole) {
      if (whole && !gap && !doubted) {
        counters.parseErrors.increment();
      }
      fields.unknown = true;
      forget();
    }
    if (fields.unknown) {
      counters.headersUnknown.increment();
    }
    return fields;
  }

  private static boolean decode(HPackDecoder hpack, byte[] block, int length, Http2Fields fields) {
    try {
      ByteBuffer in = ByteBuffer.wrap(block, 0, length);
      for (Header h = hpack.decodeHeader(in); h != null; h = hpack.decodeHeader(in)) {
        fields.add(h.getName(), h.getValue());
      }
      return true;
    } catch (HPackException | RuntimeException e) {
      // The one place where the library meets whatever bytes there are.
      return false;
    }
  }

  private static HPackDecoder table(boolean gap) {
    // With ASCII the library takes bytes for Latin-1 as they are, so that none is malformed.
    HPackDecoder hpack =
        new HPackDecoder(gap ? UNKNOWN_TABLE : INITIAL_TABLE, StandardCharsets.US_ASCII);
    hpack.setMaxTableSize(MAX_TABLE);
    if (gap) {
      // A literal with a new name, to be added to the table: no name, no value (RFC 7541, 6.2.1).
      byte[] nameless = new byte[3 * UNKNOWN_TABLE / SMALLEST_ENTRY];
      for (int i = 0; i < nameless.length; i += 3) {
        nameless[i] = 0x40;
      }
      decode(hpack, nameless, nameless.length, new Http2Fields());
    }
    return hpack;
  }
}
