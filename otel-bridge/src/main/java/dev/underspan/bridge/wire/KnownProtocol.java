package dev.underspan.bridge.wire;

/**
 * The protocols that are read, and how each is told by what a client sends first. In this order;
 * the first that says yes has the connection.
 */
enum KnownProtocol {
  /** HTTP/1.x, RFC 9112. */
  HTTP1 {
    @Override
    Match match(Opening opening) {
      return HttpSyntax.detect(opening.data(), opening.length());
    }

    @Override
    Protocol reader(Opening opening, Calls sink, WireCounters counters) {
      return new HttpProtocol(Protocol.Role.CLIENT, sink, counters);
    }
  },

  /** HTTP/2 in the clear, from its preface on. */
  HTTP2 {
    @Override
    Match match(Opening opening) {
      return Http2Syntax.preface(opening.data(), opening.length());
    }

    @Override
    Protocol reader(Opening opening, Calls sink, WireCounters counters) {
      return new Http2Protocol(Protocol.Role.CLIENT, Http2Protocol.Begin.PREFACE, sink, counters);
    }
  },

  /** Kafka; before PostgreSQL, whose startup message a Metadata request looks like. */
  KAFKA {
    @Override
    Match match(Opening opening) {
      return KafkaSyntax.request(opening.data(), opening.length(), opening.whole());
    }

    @Override
    Protocol reader(Opening opening, Calls sink, WireCounters counters) {
      return new KafkaProtocol(
          Protocol.Role.CLIENT, opening.midway(), KafkaNames.SHARED, sink, counters);
    }
  },

  /** PostgreSQL from its first message on. */
  POSTGRESQL {
    @Override
    Match match(Opening opening) {
      return PgSyntax.startup(opening.data(), opening.length());
    }

    @Override
    Protocol reader(Opening opening, Calls sink, WireCounters counters) {
      return new PgProtocol(Protocol.Role.CLIENT, false, sink, counters);
    }
  },

  /** Redis, RESP2 and RESP3; any command looks like the first. */
  REDIS {
    @Override
    Match match(Opening opening) {
      return RespSyntax.command(opening.data(), opening.length());
    }

    @Override
    Protocol reader(Opening opening, Calls sink, WireCounters counters) {
      return new RedisProtocol(Protocol.Role.CLIENT, opening.midway(), sink, counters);
    }
  },

  /** MySQL and MariaDB from the login on; the server's greeting came before it. */
  MYSQL {
    @Override
    Match match(Opening opening) {
      if (MySqlSyntax.greeting(opening.greeting()) == null) {
        return MySqlSyntax.login(opening.data(), opening.length());
      }
      if (opening.length() < MySqlSyntax.HEADER) {
        return Match.MAYBE;
      }
      // In the clear, or behind a request for TLS.
      return opening.data()[3] == 1 || opening.data()[3] == 2 ? Match.YES : Match.NO;
    }

    @Override
    Protocol reader(Opening opening, Calls sink, WireCounters counters) {
      return new MySqlProtocol(
          Protocol.Role.CLIENT, MySqlSyntax.greeting(opening.greeting()), false, sink, counters);
    }
  },

  /** PostgreSQL, first seen later. */
  POSTGRESQL_MIDWAY {
    @Override
    Match match(Opening opening) {
      return opening.midway()
          ? PgSyntax.frontend(opening.data(), opening.length(), opening.whole())
          : Match.NO;
    }

    @Override
    Protocol reader(Opening opening, Calls sink, WireCounters counters) {
      return new PgProtocol(Protocol.Role.CLIENT, true, sink, counters);
    }
  },

  /** MySQL and MariaDB, first seen later. */
  MYSQL_MIDWAY {
    @Override
    Match match(Opening opening) {
      return opening.midway()
          ? MySqlSyntax.commands(opening.data(), opening.length(), opening.whole())
          : Match.NO;
    }

    @Override
    Protocol reader(Opening opening, Calls sink, WireCounters counters) {
      return new MySqlProtocol(Protocol.Role.CLIENT, null, true, sink, counters);
    }
  },

  /** HTTP/2, first seen later. */
  HTTP2_MIDWAY {
    @Override
    Match match(Opening opening) {
      return opening.midway()
          ? Http2Syntax.midway(opening.data(), opening.length(), opening.whole())
          : Match.NO;
    }

    @Override
    Protocol reader(Opening opening, Calls sink, WireCounters counters) {
      return new Http2Protocol(Protocol.Role.CLIENT, Http2Protocol.Begin.MIDWAY, sink, counters);
    }
  };

  /**
   * What a client sent first, or first after we began to look.
   *
   * @param length valid bytes of data
   * @param whole whether that is all that was sent
   * @param midway whether more may have been sent before
   * @param greeting what the server said before, at most 256 bytes; empty if nothing
   */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Opening(byte[] data, int length, boolean whole, boolean midway, byte[] greeting) {}

  abstract Match match(Opening opening);

  abstract Protocol reader(Opening opening, Calls sink, WireCounters counters);
}
