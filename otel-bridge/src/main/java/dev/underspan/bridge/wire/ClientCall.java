package dev.underspan.bridge.wire;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One request and its response as a client saw them on a connection. All times are CLOCK_MONOTONIC
 * nanoseconds.
 *
 * @param connection the connection
 * @param firstOnConnection true for the first call of a connection we watched from its start
 * @param startNs when the first send of the request began
 * @param requestEndNs when the last send of the request began
 * @param firstByteNs when the first response byte reached the socket, or was read if that is not
 *     known; 0 = no response
 * @param endNs when the last read of the response happened, or the connection closed
 * @param parent the span current at the first send
 * @param bytesOut request bytes on this connection, framing included
 * @param bytesIn response bytes on this connection, framing included
 * @param accountBegin account of the first send
 * @param accountEnd account of the last read
 * @param rttMicrosBegin round trip time at the first send, microseconds
 * @param rttMicrosEnd round trip time at the last read, microseconds
 * @param retransmitsBegin the connection's retransmitted segments at the first send
 * @param retransmitsEnd the connection's retransmitted segments at the last read
 * @param errorType an HTTP status of 400 or more, a database's code, a Kafka error's name, a gRPC
 *     status, the HTTP/2 error code of a stream that was reset, {@code connection_closed}, a name
 *     server's code, {@code timeout}, or {@code _OTHER} for an error whose code was not among the
 *     captured bytes
 * @param complete false if the connection or stream was closed before the response ended
 * @param number by which the client's side of the protocol tells its calls apart; -1 if there is
 *     none
 * @param details what is specific to the protocol
 */
public record ClientCall(
    ConnectionInfo connection,
    boolean firstOnConnection,
    long startNs,
    long requestEndNs,
    long firstByteNs,
    long endNs,
    @Nullable TraceHead parent,
    long bytesOut,
    long bytesIn,
    @Nullable Object accountBegin,
    @Nullable Object accountEnd,
    int rttMicrosBegin,
    int rttMicrosEnd,
    int retransmitsBegin,
    int retransmitsEnd,
    @Nullable String errorType,
    boolean complete,
    int number,
    Details details) {

  /** The {@link #errorType} of a call cut off by the end of its connection. */
  public static final String CONNECTION_CLOSED = "connection_closed";

  /** The {@link #errorType} of a question that was not answered before it was asked elsewhere. */
  public static final String TIMEOUT = "timeout";

  /** What is specific to a protocol. */
  public sealed interface Details permits Http, Rpc, Sql, Command, Messaging, Lookup, Handshake {
    /** The span named by a trace header of the call; null if there was none. */
    default @Nullable TraceHead injected() {
      return null;
    }
  }

  /**
   * An HTTP exchange.
   *
   * @param method request method; empty if not captured (HTTP/2 only)
   * @param target request target as sent; empty if not captured
   * @param targetTruncated true if the captured bytes do not hold the whole target
   * @param host Host header or :authority
   * @param version protocol version, e.g. {@code 1.1} or {@code 2}; empty if not captured
   * @param statusCode final status, 0 = not seen
   * @param injected the span named by a traceparent request header
   * @param scheme :scheme of HTTP/2; null if the protocol has none or it was not captured
   */
  public record Http(
      String method,
      String target,
      boolean targetTruncated,
      @Nullable String host,
      String version,
      int statusCode,
      @Nullable TraceHead injected,
      @Nullable String scheme)
      implements Details {

    /** An exchange of HTTP/1.x. */
    public Http(
        String method,
        String target,
        boolean targetTruncated,
        @Nullable String host,
        String version,
        int statusCode,
        @Nullable TraceHead injected) {
      this(method, target, targetTruncated, host, version, statusCode, injected, null);
    }
  }

  /**
   * A question to a name server.
   *
   * @param name what was asked for
   * @param type of the records asked for, e.g. {@code A}
   * @param addresses those in the answer
   */
  public record Lookup(String name, String type, List<String> addresses) implements Details {}

  /** A handshake of TLS that failed, so that there never was a request. */
  public record Handshake() implements Details {}

  /**
   * A remote procedure call.
   *
   * @param system {@code rpc.system.name} of OpenTelemetry's conventions, e.g. {@code grpc}
   * @param service the service with its package; null if it was not captured
   * @param method the method; null if it was not captured
   * @param authority host and port as the client names them; null if not captured
   * @param status the answer's status by name, e.g. {@code OK}; null if none was seen
   * @param injected the span named by a traceparent request header
   */
  public record Rpc(
      String system,
      @Nullable String service,
      @Nullable String method,
      @Nullable String authority,
      @Nullable String status,
      @Nullable TraceHead injected)
      implements Details {}

  /**
   * Messages sent to a broker or fetched from it.
   *
   * @param system {@code messaging.system} of OpenTelemetry's conventions, e.g. {@code kafka}
   * @param operation {@code messaging.operation.name}: the system's own, e.g. {@code poll}
   * @param type {@code messaging.operation.type}, e.g. {@code receive}
   * @param destination the topic; null if it is not known, or not the same for all messages
   * @param partition the partition; -1 if it is not known, or not the same for all messages
   * @param messages how many; -1 if that is not known
   * @param clientId as the client names itself; null if it does not
   * @param group the consumer's group; null if it was not seen
   */
  public record Messaging(
      String system,
      String operation,
      String type,
      @Nullable String destination,
      int partition,
      long messages,
      @Nullable String clientId,
      @Nullable String group)
      implements Details {}

  /**
   * A statement of a SQL database.
   *
   * @param system {@code db.system.name} of OpenTelemetry's conventions, e.g. {@code postgresql}
   * @param text statement as sent, at most 8 KiB; empty if it was prepared before we watched
   * @param textTruncated true if {@code text} is not the whole statement
   * @param sanitised {@code text} without literals and comments
   * @param operation first keyword, upper case; null if unknown
   * @param target main table as written; null if not simply found
   * @param database from the startup message; null if it was not seen
   * @param user from the startup message; null if it was not seen
   * @param responseCode the error's code as the database gives it (PostgreSQL: SQLSTATE; MySQL,
   *     MariaDB: number); null if none was seen
   */
  public record Sql(
      String system,
      String text,
      boolean textTruncated,
      String sanitised,
      @Nullable String operation,
      @Nullable String target,
      @Nullable String database,
      @Nullable String user,
      @Nullable String responseCode)
      implements Details {}

  /**
   * A command of a database that has no query language.
   *
   * @param system {@code db.system.name} of OpenTelemetry's conventions, e.g. {@code redis}
   * @param operation name of the command, upper case; null if it was not captured
   * @param text the command with a {@code ?} for each argument, keys too; empty if not captured
   * @param namespace Redis: index of the database; null if unknown
   * @param responseCode kind of the error, e.g. {@code WRONGTYPE}; null if there was none
   */
  public record Command(
      String system,
      @Nullable String operation,
      String text,
      @Nullable String namespace,
      @Nullable String responseCode)
      implements Details {}
}
