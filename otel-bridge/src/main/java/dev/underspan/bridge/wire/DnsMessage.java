package dev.underspan.bridge.wire;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A message to or from a name server (RFC 1035, section 4): its one question, and the addresses
 * that answer it.
 *
 * @param id by which question and answer are told to belong together
 * @param response whether it is an answer
 * @param name what was asked for, without the dot at the end; the root is {@code .}
 * @param type of the records asked for, e.g. {@code AAAA}; {@code TYPE} and the number (RFC 3597)
 *     for those without a name here
 * @param code of an answer: 0 is NOERROR
 * @param addresses those in the captured part of an answer, at most 32
 */
record DnsMessage(
    int id, boolean response, String name, String type, int code, List<String> addresses) {
  private static final int HEADER = 12;
  private static final int MAX_NAME = 255;
  private static final int MAX_ADDRESSES = 32;
  private static final int TYPE_A = 1;
  private static final int TYPE_AAAA = 28;
  private static final String[] CODES = {
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"
  };

  /** Reads it; null where bytes are none, or were cut within the question. */
  static @Nullable DnsMessage read(byte[] data, int length) {
    if (length < HEADER || number(data, 4) != 1 || (data[2] & 0x78) != 0) {
      return null;
    }
    StringBuilder name = new StringBuilder();
    int at = HEADER;
    while (at < length && data[at] != 0) {
      int label = data[at] & 0xff;
      // The first name cannot refer to another one.
      if (label > 63 || at + 1 + label > length || name.length() + label > MAX_NAME) {
        return null;
      }
      if (name.length() > 0) {
        name.append('.');
      }
      name.append(new String(data, at + 1, label, StandardCharsets.ISO_8859_1));
      at += 1 + label;
    }
    if (at + 5 > length) {
      return null;
    }
    boolean response = (data[2] & 0x80) != 0;
    return new DnsMessage(
        number(data, 0),
        response,
        name.length() == 0 ? "." : name.toString().toLowerCase(Locale.ROOT),
        type(number(data, at + 1)),
        data[3] & 0xf,
        response ? addresses(data, length, at + 5, number(data, 6)) : List.of());
  }

  private static int number(byte[] data, int at) {
    return (data[at] & 0xff) << 8 | (data[at + 1] & 0xff);
  }

  private static String type(int type) {
    return switch (type) {
      case TYPE_A -> "A";
      case 2 -> "NS";
      case 5 -> "CNAME";
      case 6 -> "SOA";
      case 12 -> "PTR";
      case 15 -> "MX";
      case 16 -> "TXT";
      case TYPE_AAAA -> "AAAA";
      case 33 -> "SRV";
      case 64 -> "SVCB";
      case 65 -> "HTTPS";
      default -> "TYPE" + type;
    };
  }

  private static List<String> addresses(byte[] data, int length, int from, int records) {
    List<String> found = new ArrayList<>(4);
    int at = from;
    for (int n = 0; n < records && found.size() < MAX_ADDRESSES; n++) {
      at = behindName(data, length, at);
      if (at < 0 || at + 10 > length) {
        break;
      }
      int type = number(data, at);
      int size = number(data, at + 8);
      at += 10;
      if (at + size > length) {
        break;
      }
      if ((type == TYPE_A && size == 4) || (type == TYPE_AAAA && size == 16)) {
        try {
          found.add(
              InetAddress.getByAddress(Arrays.copyOfRange(data, at, at + size)).getHostAddress());
        } catch (UnknownHostException e) {
          throw new AssertionError(e); // the length is right
        }
      }
      at += size;
    }
    return List.copyOf(found);
  }

  /** Where the name ends, -1 if it does not. */
  private static int behindName(byte[] data, int length, int from) {
    int at = from;
    while (at < length) {
      int label = data[at] & 0xff;
      if (label == 0) {
        return at + 1;
      }
      if (label >= 0xc0) {
        return at + 2; // the rest stands elsewhere
      }
      if (label > 63) {
        return -1;
      }
      at += 1 + label;
    }
    return -1;
  }

  /** The code by name, null for NOERROR. */
  @Nullable String error() {
    return code == 0 ? null : code < CODES.length ? CODES[code] : "RCODE" + code;
  }
}
