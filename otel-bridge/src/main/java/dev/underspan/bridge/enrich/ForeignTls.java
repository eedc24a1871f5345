package dev.underspan.bridge.enrich;

import dev.underspan.bridge.span.RequestInfo;
import dev.underspan.bridge.span.ServerSpans;
import dev.underspan.bridge.tls.ServerTls;
import dev.underspan.bridge.wire.TlsFacts;
import org.jspecify.annotations.Nullable;

/**
 * Tells another tracer's server spans of their connection's TLS. Since they cannot be held back,
 * the thread that ends a connection's first one reads the events that lie unread.
 */
final class ForeignTls {
  private final ServerTls connections;
  private final EventPump events;

  ForeignTls(ServerTls connections, EventPump events) {
    this.connections = connections;
    this.events = events;
  }

  /**
   * Adds what is known to a span that is about to end.
   *
   * @return false if what may be known could not be read in time
   */
  boolean describe(ForeignSpan span) {
    RequestInfo request = span.request;
    ServerSpans.Arrival arrival = span.arrival;
    String scheme = request == null ? null : request.scheme();
    if ("http".equalsIgnoreCase(scheme == null ? span.text("url.scheme") : scheme)) {
      return true;
    }
    int localPort = 0;
    int clientPort = 0;
    if (request != null && request.clientPort() > 0) {
      localPort = request.localPort();
      clientPort = request.clientPort();
    } else if (arrival != null) {
      localPort = arrival.localPort();
      clientPort = arrival.clientPort();
    } else {
      clientPort = (int) span.number("network.peer.port");
    }
    if (clientPort <= 0) {
      return true;
    }
    ServerTls.Connection connection =
        new ServerTls.Connection(
            arrival == null ? 0 : arrival.cookie(),
            localPort,
            clientPort,
            request == null ? null : request.clientAddress(),
            span.beginNs);
    boolean read = true;
    if (!connections.isKnown(connection)) {
      read = events.pump();
      if (read && !connections.isKnown(connection)) {
        connections.none(connection); // not to be asked for again
      }
    }
    TlsFacts facts = connections.facts(connection);
    if (facts != null) {
      ServerSpans.describeTls(span, facts, isHttp2(span, request));
    }
    return read;
  }

  private static boolean isHttp2(ForeignSpan span, @Nullable RequestInfo request) {
    return (request != null && request.isMultiplexed())
        || "2".equals(span.text("network.protocol.version"));
  }
}
