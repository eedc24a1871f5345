package dev.underspan.bridge.wire;

import org.jspecify.annotations.Nullable;

/** Small pieces of the MySQL and MariaDB client/server protocol. */
final class MySqlSyntax {
  // Capabilities.
  /** Set by MySQL; MariaDB clears it to say that its own capabilities follow. */
  static final long CLIENT_MYSQL = 1;

  static final long CONNECT_WITH_DB = 1 << 3;
  static final long COMPRESS = 1 << 5;
  static final long PROTOCOL_41 = 1 << 9;
  static final long SSL = 1 << 11;
  static final long SECURE_CONNECTION = 1 << 15;
  static final long AUTH_LENENC = 1 << 21;
  static final long ZSTD = 1 << 26;
  static final long QUERY_ATTRIBUTES = 1 << 27;

  // Status flags of OK and EOF.
  static final int MORE_RESULTS = 1 << 3;
  static final int CURSOR_EXISTS = 1 << 6;
  static final int NO_BACKSLASH_ESCAPES = 1 << 9;

  // Commands.
  static final int COM_QUIT = 0x01;
  static final int COM_INIT_DB = 0x02;
  static final int COM_QUERY = 0x03;
  static final int COM_FIELD_LIST = 0x04;
  static final int COM_STATISTICS = 0x09;
  static final int COM_PROCESS_INFO = 0x0a;
  static final int COM_PING = 0x0e;
  static final int COM_CHANGE_USER = 0x11;
  static final int COM_BINLOG_DUMP = 0x12;
  static final int COM_TABLE_DUMP = 0x13;
  static final int COM_REGISTER_SLAVE = 0x15;
  static final int COM_STMT_PREPARE = 0x16;
  static final int COM_STMT_EXECUTE = 0x17;
  static final int COM_STMT_SEND_LONG_DATA = 0x18;
  static final int COM_STMT_CLOSE = 0x19;
  static final int COM_STMT_RESET = 0x1a;
  static final int COM_SET_OPTION = 0x1b;
  static final int COM_STMT_FETCH = 0x1c;
  static final int COM_BINLOG_DUMP_GTID = 0x1e;
  static final int COM_RESET_CONNECTION = 0x1f;

  /** The last command of MySQL, COM_CLONE. */
  static final int COM_LAST = 0x20;

  /** MariaDB. */
  static final int COM_STMT_BULK_EXECUTE = 0xfa;

  /** The length of an SSLRequest: a login that breaks off before the user. */
  static final int SSL_REQUEST = 32;

  static final int HEADER = 4;
  private static final int MAX_LOGIN = 0xffff;
  private static final int PROTOCOL_10 = 10;
  private static final int MAX_VERSION = 128;

  private MySqlSyntax() {}

  /**
   * What the server says first.
   *
   * @param mariaDb whether it is MariaDB
   * @param capabilities all ones if they were not captured
   */
  record Greeting(boolean mariaDb, long capabilities) {}

  static int int16(byte[] data, int at) {
    return (data[at] & 0xff) | (data[at + 1] & 0xff) << 8;
  }

  static int int24(byte[] data, int at) {
    return int16(data, at) | (data[at + 2] & 0xff) << 16;
  }

  static long int32(byte[] data, int at) {
    return int24(data, at) | (data[at + 3] & 0xffL) << 24;
  }

  /** How many bytes a length-encoded integer has that begins with this one. */
  static int lenencSize(int first) {
    return switch (first & 0xff) {
      case 0xfc -> 3;
      case 0xfd -> 4;
      case 0xfe -> 9;
      default -> 1;
    };
  }

  /** The length-encoded integer at an offset; -1 if it is not all there or too big to be. */
  static long lenenc(byte[] data, int at, int end) {
    if (at < 0 || at >= end || at + lenencSize(data[at]) > end) {
      return -1;
    }
    int first = data[at] & 0xff;
    return switch (first) {
      case 0xfc -> int16(data, at + 1);
      case 0xfd -> int24(data, at + 1);
      case 0xfe -> int32(data, at + 5) == 0 ? int32(data, at + 1) : -1;
      default -> first < 0xfb ? first : -1;
    };
  }

  /** Reads the Initial Handshake Packet, protocol version 10; null if the bytes are none. */
  static @Nullable Greeting greeting(byte[] data) {
    int length = data.length;
    if (length < HEADER + 2 || data[3] != 0 || data[HEADER] != PROTOCOL_10) {
      return null;
    }
    int size = int24(data, 0);
    int zero = PgSyntax.zero(data, HEADER + 1, Math.min(length, HEADER + 1 + MAX_VERSION));
    if (size < 40 || size > 1024 || zero == HEADER + 1 || zero >= length || data[zero] != 0) {
      return null;
    }
    boolean mariaDb = PgSyntax.text(data, HEADER + 1, zero).contains("MariaDB");
    // Connection id, half of a challenge, a zero; capabilities in two halves.
    int at = zero + 1 + 4 + 8 + 1;
    if (at + 7 > length) {
      return new Greeting(mariaDb, -1);
    }
    return new Greeting(mariaDb, int16(data, at) | (long) int16(data, at + 5) << 16);
  }

  /** Do the bytes begin with an SSLRequest or HandshakeResponse41? */
  static Match login(byte[] data, int length) {
    if (length >= 3 && data[2] != 0) {
      return Match.NO;
    }
    if (length < HEADER) {
      return Match.MAYBE;
    }
    int size = int24(data, 0);
    if (data[3] != 1 || size < SSL_REQUEST || size > MAX_LOGIN) {
      return Match.NO;
    }
    if (length >= HEADER + 4 && (int32(data, HEADER) & PROTOCOL_41) == 0) {
      return Match.NO;
    }
    // Capabilities, packet size, character set; then 19 zeros, and 4 more unless MariaDB's.
    for (int i = 13; i < Math.min(length, 32); i++) {
      if (data[i] != 0) {
        return Match.NO;
      }
    }
    return length < 32 ? Match.MAYBE : Match.YES;
  }

  /** Are the bytes a run of whole commands, as far as they were captured? */
  static Match commands(byte[] data, int length, boolean whole) {
    int at = 0;
    while (at < length) {
      int left = length - at;
      if (left > 3 && data[at + 3] != 0) {
        return Match.NO;
      }
      if (left <= HEADER) {
        return at > 0 ? Match.YES : whole ? Match.MAYBE : Match.NO;
      }
      int size = int24(data, at);
      int end = (int) Math.min(length, at + HEADER + (long) size);
      if (size == 0 || !plausible(data, at + HEADER, end, size)) {
        return Match.NO;
      }
      at += HEADER + size;
    }
    return length == 0 ? Match.MAYBE : Match.YES;
  }

  private static boolean plausible(byte[] data, int from, int to, int size) {
    return switch (data[from] & 0xff) {
      case COM_QUERY -> {
        int start = from + 1;
        if (start < to && data[start] == 0) {
          // No query attributes, one set of them.
          start += 2;
        }
        yield size > 1 && sql(data, start, to);
      }
      case COM_STMT_PREPARE -> size > 1 && sql(data, from + 1, to);
      case COM_STMT_EXECUTE ->
          // Statement, flags, an iteration count that is always one.
          size >= 10
              && (to < from + 10 || ((data[from + 5] & 0xf0) == 0 && int32(data, from + 6) == 1));
      case COM_STMT_BULK_EXECUTE -> size >= 7 && (to < from + 7 || data[from + 6] == 0);
      case COM_STMT_SEND_LONG_DATA -> size >= 7;
      case COM_STMT_CLOSE, COM_STMT_RESET -> size == 5;
      case COM_STMT_FETCH -> size == 9;
      case COM_PING, COM_RESET_CONNECTION -> size == 1;
      case COM_SET_OPTION -> size == 3;
      case COM_INIT_DB -> size > 1 && size < 260 && text(data, from + 1, to);
      default -> false;
    };
  }

  private static boolean sql(byte[] data, int from, int to) {
    int i = from;
    while (i < to && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t')) {
      i++;
    }
    if (i >= to) {
      return true;
    }
    byte b = data[i];
    boolean letter = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');
    return (letter || b == '(' || b == '/' || b == '-' || b == '#' || b == '{')
        && text(data, i, Math.min(to, i + 64));
  }

  private static boolean text(byte[] data, int from, int to) {
    for (int i = from; i < to; i++) {
      boolean blank = data[i] == '\n' || data[i] == '\r' || data[i] == '\t';
      if (data[i] >= 0 && data[i] < ' ' && !blank) {
        return false;
      }
    }
    return true;
  }

  /**
   * Where the text of a COM_QUERY begins that has attributes (MySQL 8.0.23,
   * CLIENT_QUERY_ATTRIBUTES) in front of it; -1 if they do not end among the captured bytes.
   */
  static int afterAttributes(byte[] body, int length) {
    long count = lenenc(body, 1, length);
    if (count < 0) {
      return -1;
    }
    int at = 1 + lenencSize(body[1]);
    // The number of sets, always one.
    at += 1;
    if (count == 0) {
      return at <= length ? at : -1;
    }
    if (count > length) {
      return -1;
    }
    int nulls = at;
    at += (int) (count + 7) / 8 + 1;
    int[] types = new int[(int) count];
    for (int i = 0; i < count; i++) {
      long name = lenenc(body, at + 2, length);
      if (name < 0 || name > length) {
        return -1;
      }
      types[i] = int16(body, at);
      at += 2 + lenencSize(body[at + 2]) + (int) name;
    }
    for (int i = 0; i < count; i++) {
      if ((body[nulls + i / 8] >> i % 8 & 1) == 0) {
        long size = valueSize(types[i] & 0xff, body, at, length);
        if (size < 0 || size > length) {
          return -1;
        }
        at += (int) size;
      }
    }
    return at <= length ? at : -1;
  }

  private static long valueSize(int type, byte[] body, int at, int length) {
    return switch (type) {
      case 1 -> 1; // tiny
      case 2, 13 -> 2; // short, year
      case 3, 4, 9 -> 4; // long, float, int24
      case 5, 8 -> 8; // double, longlong
      case 6 -> 0; // null
      default -> {
        long size = lenenc(body, at, length);
        yield size < 0 ? -1 : lenencSize(body[at]) + size;
      }
    };
  }

  /** The database of a statement {@code USE name}; null if it is another. */
  static @Nullable String used(String sql) {
    String text = sql.strip();
    if (text.length() > 80
        || !text.regionMatches(true, 0, "use", 0, 3)
        || text.length() < 5
        || !(Character.isWhitespace(text.charAt(3)) || text.charAt(3) == '`')) {
      return null;
    }
    String name = text.substring(3).strip();
    if (name.endsWith(";")) {
      name = name.substring(0, name.length() - 1).strip();
    }
    if (name.length() > 2 && name.startsWith("`") && name.endsWith("`")) {
      name = name.substring(1, name.length() - 1);
    }
    return name.isEmpty() || name.chars().anyMatch(c -> c <= ' ' || c == '`') ? null : name;
  }
}
