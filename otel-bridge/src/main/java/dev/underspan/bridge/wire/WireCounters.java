package dev.underspan.bridge.wire;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Collectors;

/** What the wire readers could not do, or did with a guess. Shared by any number of connections. */
public final class WireCounters {
  /** Connections whose first bytes matched no protocol. */
  public final LongAdder unknownProtocol = new LongAdder();

  /** Connections given up for good: nothing recognised within the bounded number of tries. */
  public final LongAdder abandoned = new LongAdder();

  /**
   * Connections that turned to TLS or GSS encryption. Their bytes are no longer read; plaintext may
   * come from elsewhere, see {@link #tlsJoined}.
   */
  public final LongAdder tlsConnections = new LongAdder();

  /** Times an engine or socket of TLS was joined to the connection that carries its ciphertext. */
  public final LongAdder tlsJoined = new LongAdder();

  /** Connections whose plaintext a native library of TLS showed. */
  public final LongAdder tlsNative = new LongAdder();

  /** Engines and sockets of TLS given up: what they made was on no connection that is seen. */
  public final LongAdder tlsUnmatched = new LongAdder();

  /** Times a connection carried other ciphertext than its engine made. */
  public final LongAdder tlsMismatched = new LongAdder();

  /** Pieces of plaintext received whose event was lost; they have the application's time. */
  public final LongAdder tlsUntimed = new LongAdder();

  /** Pieces of plaintext not read: too many at once, or the event that sent them was lost. */
  public final LongAdder tlsDropped = new LongAdder();

  /** Connections that turned to compression and are no longer read. */
  public final LongAdder compressedConnections = new LongAdder();

  /**
   * Connections that left their protocol and are no longer read: HTTP/1 by Upgrade (other than to
   * HTTP/2) or CONNECT, a database's by replication or monitoring.
   */
  public final LongAdder upgraded = new LongAdder();

  /** Connections ignored because the peer connected to us. */
  public final LongAdder serverSide = new LongAdder();

  /** Connections first seen after they were opened. */
  public final LongAdder midwayJoined = new LongAdder();

  /** Times framing was lost in bytes that were not captured. */
  public final LongAdder truncatedMessages = new LongAdder();

  /** Times framing was found again, by a tail, a later request or a later chunk. */
  public final LongAdder resynchronised = new LongAdder();

  /** Calls seen to begin but never reported: too many in flight, or lost in unseen bytes. */
  public final LongAdder callsDropped = new LongAdder();

  /** Pipelined statements the server skipped after an error; they did not run and are no calls. */
  public final LongAdder callsSkipped = new LongAdder();

  /** Executions of a statement whose text was not seen. */
  public final LongAdder unknownStatements = new LongAdder();

  /** Times header blocks of HTTP/2 were missed, so that the table they refer to is not known. */
  public final LongAdder headerTablesLost = new LongAdder();

  /** Header blocks of HTTP/2 of which not every field is known. */
  public final LongAdder headersUnknown = new LongAdder();

  /** Polls of a message broker that brought nothing; they are no calls. */
  public final LongAdder emptyPolls = new LongAdder();

  /** Calls reported of whose answer a part was not seen that may have held an error. */
  public final LongAdder unknownOutcomes = new LongAdder();

  /** Requests in a version of their protocol newer than what is read. */
  public final LongAdder unknownVersions = new LongAdder();

  /** Bytes that broke the rules of the protocol recognised. */
  public final LongAdder parseErrors = new LongAdder();

  /** Calls reported. */
  public final LongAdder calls = new LongAdder();

  /** Creates counters at zero. */
  public WireCounters() {}

  /** All of them by name, in a fixed order. */
  public Map<String, LongAdder> byName() {
    Map<String, LongAdder> named = new LinkedHashMap<>();
    named.put("calls", calls);
    named.put("unknownProtocol", unknownProtocol);
    named.put("abandoned", abandoned);
    named.put("tlsConnections", tlsConnections);
    named.put("tlsJoined", tlsJoined);
    named.put("tlsNative", tlsNative);
    named.put("tlsUnmatched", tlsUnmatched);
    named.put("tlsMismatched", tlsMismatched);
    named.put("tlsUntimed", tlsUntimed);
    named.put("tlsDropped", tlsDropped);
    named.put("compressedConnections", compressedConnections);
    named.put("upgraded", upgraded);
    named.put("serverSide", serverSide);
    named.put("midwayJoined", midwayJoined);
    named.put("truncatedMessages", truncatedMessages);
    named.put("resynchronised", resynchronised);
    named.put("callsDropped", callsDropped);
    named.put("callsSkipped", callsSkipped);
    named.put("unknownStatements", unknownStatements);
    named.put("headerTablesLost", headerTablesLost);
    named.put("headersUnknown", headersUnknown);
    named.put("emptyPolls", emptyPolls);
    named.put("unknownOutcomes", unknownOutcomes);
    named.put("unknownVersions", unknownVersions);
    named.put("parseErrors", parseErrors);
    return named;
  }

  /** By name, for people. */
  @Override
  public String toString() {
    return byName().entrySet().stream()
        .map(counter -> counter.getKey() + "=" + counter.getValue())
        .collect(Collectors.joining(", "));
  }
}
