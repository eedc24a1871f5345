package dev.underspan.bridge.span;

import static io.opentelemetry.semconv.DbAttributes.DB_NAMESPACE;
import static io.opentelemetry.semconv.DbAttributes.DB_OPERATION_NAME;
import static io.opentelemetry.semconv.DbAttributes.DB_QUERY_SUMMARY;
import static io.opentelemetry.semconv.DbAttributes.DB_QUERY_TEXT;
import static io.opentelemetry.semconv.DbAttributes.DB_RESPONSE_STATUS_CODE;
import static io.opentelemetry.semconv.DbAttributes.DB_SYSTEM_NAME;
import static io.opentelemetry.semconv.ErrorAttributes.ERROR_TYPE;
import static io.opentelemetry.semconv.HttpAttributes.HTTP_REQUEST_METHOD;
import static io.opentelemetry.semconv.HttpAttributes.HTTP_RESPONSE_STATUS_CODE;
import static io.opentelemetry.semconv.NetworkAttributes.NETWORK_PEER_ADDRESS;
import static io.opentelemetry.semconv.NetworkAttributes.NETWORK_PEER_PORT;
import static io.opentelemetry.semconv.NetworkAttributes.NETWORK_PROTOCOL_VERSION;
import static io.opentelemetry.semconv.ServerAttributes.SERVER_ADDRESS;
import static io.opentelemetry.semconv.ServerAttributes.SERVER_PORT;
import static io.opentelemetry.semconv.UrlAttributes.URL_FULL;

import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.ConnectionInfo;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;

/** A call's name and attributes by OpenTelemetry's semantic conventions, a method a protocol. */
final class CallAttributes {
  private CallAttributes() {}

  static String name(ClientCall call) {
    if (call.details() instanceof ClientCall.Sql sql) {
      return name(sql);
    }
    if (call.details() instanceof ClientCall.Messaging messaging) {
      return MessagingAttributes.name(messaging);
    }
    return ((ClientCall.Http) call.details()).method();
  }

  private static String name(ClientCall.Sql sql) {
    String operation = sql.operation();
    if (operation != null) {
      return sql.target() == null ? operation : operation + " " + sql.target();
    }
    return sql.database() == null ? sql.system() : sql.database();
  }

  static void describe(Span span, ClientCall call) {
    ConnectionInfo connection = call.connection();
    span.setAttribute(NETWORK_PEER_ADDRESS, connection.remoteAddress());
    span.setAttribute(NETWORK_PEER_PORT, (long) connection.remotePort());
    span.setAttribute(SERVER_ADDRESS, connection.remoteAddress());
    span.setAttribute(SERVER_PORT, (long) connection.remotePort());
    if (call.details() instanceof ClientCall.Http http) {
      http(span, http, connection);
    } else if (call.details() instanceof ClientCall.Sql sql) {
      sql(span, sql);
    } else if (call.details() instanceof ClientCall.Messaging messaging) {
      MessagingAttributes.describe(span, messaging);
    }
    String error = call.errorType();
    if (error != null) {
      span.setAttribute(ERROR_TYPE, error);
      span.setStatus(StatusCode.ERROR);
    }
  }

  private static void http(Span span, ClientCall.Http http, ConnectionInfo connection) {
    String authority =
        http.host() == null
            ? Authority.of(connection.remoteAddress(), connection.remotePort())
            : http.host();
    span.setAttribute(SERVER_ADDRESS, Authority.host(authority));
    span.setAttribute(HTTP_REQUEST_METHOD, http.method());
    span.setAttribute(
        URL_FULL,
        http.target().startsWith("/") ? "http://" + authority + http.target() : http.target());
    if (!http.version().isEmpty()) {
      span.setAttribute(NETWORK_PROTOCOL_VERSION, http.version());
    }
    if (http.statusCode() > 0) {
      span.setAttribute(HTTP_RESPONSE_STATUS_CODE, (long) http.statusCode());
    }
  }

  private static void sql(Span span, ClientCall.Sql sql) {
    span.setAttribute(DB_SYSTEM_NAME, sql.system());
    span.setAttribute(DB_NAMESPACE, sql.database());
    span.setAttribute(DB_OPERATION_NAME, sql.operation());
    if (!sql.sanitised().isEmpty()) {
      span.setAttribute(DB_QUERY_TEXT, sql.sanitised());
      span.setAttribute(DB_QUERY_SUMMARY, name(sql));
    }
    span.setAttribute(DB_RESPONSE_STATUS_CODE, sql.responseCode());
  }
}
