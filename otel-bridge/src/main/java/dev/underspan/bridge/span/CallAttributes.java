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
import static io.opentelemetry.semconv.NetworkAttributes.NETWORK_TRANSPORT;
import static io.opentelemetry.semconv.RpcAttributes.RPC_METHOD;
import static io.opentelemetry.semconv.RpcAttributes.RPC_STATUS_CODE;
import static io.opentelemetry.semconv.RpcAttributes.RPC_SYSTEM_NAME;
import static io.opentelemetry.semconv.ServerAttributes.SERVER_ADDRESS;
import static io.opentelemetry.semconv.ServerAttributes.SERVER_PORT;
import static io.opentelemetry.semconv.UrlAttributes.URL_FULL;

import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.ConnectionInfo;
import dev.underspan.bridge.wire.TlsFacts;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import java.util.List;

/** A call's name and attributes by OpenTelemetry's semantic conventions, a method a protocol. */
final class CallAttributes {
  /** These two are still in development in OpenTelemetry's conventions. */
  private static final AttributeKey<String> DNS_QUESTION_NAME =
      AttributeKey.stringKey("dns.question.name");

  private static final AttributeKey<List<String>> DNS_ANSWERS =
      AttributeKey.stringArrayKey("dns.answers");

  private CallAttributes() {}

  static String name(ClientCall call) {
    if (call.details() instanceof ClientCall.Sql sql) {
      return name(sql);
    }
    if (call.details() instanceof ClientCall.Messaging messaging) {
      return MessagingAttributes.name(messaging);
    }
    if (call.details() instanceof ClientCall.Handshake) {
      return "TLS handshake";
    }
    if (call.details() instanceof ClientCall.Lookup lookup) {
      return "DNS " + lookup.type();
    }
    if (call.details() instanceof ClientCall.Command command) {
      return command.operation() == null ? command.system() : command.operation();
    }
    if (call.details() instanceof ClientCall.Rpc rpc) {
      return name(rpc);
    }
    String method = ((ClientCall.Http) call.details()).method();
    return method.isEmpty() ? "HTTP" : method;
  }

  private static String name(ClientCall.Sql sql) {
    String operation = sql.operation();
    if (operation != null) {
      return sql.target() == null ? operation : operation + " " + sql.target();
    }
    return sql.database() == null ? sql.system() : sql.database();
  }

  private static String name(ClientCall.Rpc rpc) {
    return rpc.service() == null ? rpc.system() : rpc.service() + "/" + rpc.method();
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
    } else if (call.details() instanceof ClientCall.Rpc rpc) {
      rpc(span, rpc);
    } else if (call.details() instanceof ClientCall.Command command) {
      command(span, command);
    } else if (call.details() instanceof ClientCall.Messaging messaging) {
      MessagingAttributes.describe(span, messaging);
    } else if (call.details() instanceof ClientCall.Lookup lookup) {
      lookup(span, lookup);
    }
    TlsFacts tls = connection.tls();
    if (tls != null) {
      TlsAttributes.describe(span, tls);
      if (call.details() instanceof ClientCall.Handshake && tls.serverName != null) {
        span.setAttribute(SERVER_ADDRESS, tls.serverName);
      }
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
    span.setAttribute(HTTP_REQUEST_METHOD, http.method().isEmpty() ? "_OTHER" : http.method());
    if (!http.target().isEmpty()) {
      String scheme =
          http.scheme() != null ? http.scheme() : connection.tls() != null ? "https" : "http";
      span.setAttribute(
          URL_FULL,
          http.target().startsWith("/")
              ? scheme + "://" + authority + http.target()
              : http.target());
    }
    if (!http.version().isEmpty()) {
      span.setAttribute(NETWORK_PROTOCOL_VERSION, http.version());
    }
    if (http.statusCode() > 0) {
      span.setAttribute(HTTP_RESPONSE_STATUS_CODE, (long) http.statusCode());
    }
  }

  private static void rpc(Span span, ClientCall.Rpc rpc) {
    span.setAttribute(RPC_SYSTEM_NAME, rpc.system());
    if (rpc.service() != null) {
      span.setAttribute(RPC_METHOD, name(rpc));
    }
    span.setAttribute(RPC_STATUS_CODE, rpc.status());
    if (rpc.authority() != null) {
      span.setAttribute(SERVER_ADDRESS, Authority.host(rpc.authority()));
      int port = Authority.port(rpc.authority());
      if (port > 0) {
        span.setAttribute(SERVER_PORT, (long) port);
      }
    }
  }

  private static void lookup(Span span, ClientCall.Lookup lookup) {
    span.setAttribute(NETWORK_TRANSPORT, "udp");
    span.setAttribute(DNS_QUESTION_NAME, lookup.name());
    if (!lookup.addresses().isEmpty()) {
      span.setAttribute(DNS_ANSWERS, lookup.addresses());
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

  private static void command(Span span, ClientCall.Command command) {
    span.setAttribute(DB_SYSTEM_NAME, command.system());
    span.setAttribute(DB_NAMESPACE, command.namespace());
    span.setAttribute(DB_OPERATION_NAME, command.operation());
    if (!command.text().isEmpty()) {
      span.setAttribute(DB_QUERY_TEXT, command.text());
    }
    span.setAttribute(DB_RESPONSE_STATUS_CODE, command.responseCode());
  }
}
