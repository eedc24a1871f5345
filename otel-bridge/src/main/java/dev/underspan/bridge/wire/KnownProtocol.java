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
  };

  /**
   * What a client sent first, or first after we began to look.
   *
   * @param length valid bytes of data
   * @param whole whether that is all that was sent
   * @param midway whether more may have been sent before
   */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Opening(byte[] data, int length, boolean whole, boolean midway) {}

  abstract Match match(Opening opening);

  abstract Protocol reader(Opening opening, Calls sink, WireCounters counters);
}
