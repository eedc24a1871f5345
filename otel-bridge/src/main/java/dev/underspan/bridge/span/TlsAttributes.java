package dev.underspan.bridge.span;

import dev.underspan.bridge.wire.ClientCertificate;
import dev.underspan.bridge.wire.TlsFacts;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** TLS as OpenTelemetry's registry of attributes names it. */
final class TlsAttributes {
  static final AttributeKey<String> PROTOCOL_NAME = AttributeKey.stringKey("tls.protocol.name");
  static final AttributeKey<String> PROTOCOL_VERSION =
      AttributeKey.stringKey("tls.protocol.version");
  static final AttributeKey<String> CIPHER = AttributeKey.stringKey("tls.cipher");
  static final AttributeKey<String> SERVER_NAME = AttributeKey.stringKey("tls.client.server_name");
  static final AttributeKey<String> NEXT_PROTOCOL = AttributeKey.stringKey("tls.next_protocol");

  static final AttributeKey<Boolean> RESUMED = AttributeKey.booleanKey("tls.resumed");

  static final AttributeKey<String> CLIENT_HASH = AttributeKey.stringKey("tls.client.hash.sha256");
  static final AttributeKey<String> CLIENT_ISSUER = AttributeKey.stringKey("tls.client.issuer");
  static final AttributeKey<String> CLIENT_SUBJECT = AttributeKey.stringKey("tls.client.subject");
  static final AttributeKey<String> CLIENT_NOT_BEFORE =
      AttributeKey.stringKey("tls.client.not_before");
  static final AttributeKey<String> CLIENT_NOT_AFTER =
      AttributeKey.stringKey("tls.client.not_after");

  private TlsAttributes() {}

  static void describe(Span span, TlsFacts tls) {
    String protocol = tls.protocol;
    int version = protocol == null ? -1 : protocol.indexOf('v');
    if (protocol != null && version > 0) {
      // The JDK's names: TLSv1.3, TLSv1 (which is 1.0).
      String number = protocol.substring(version + 1);
      set(span, PROTOCOL_NAME, protocol.substring(0, version).toLowerCase(Locale.ROOT));
      set(span, PROTOCOL_VERSION, number.contains(".") ? number : number + ".0");
    }
    set(span, CIPHER, tls.cipher);
    set(span, SERVER_NAME, tls.serverName);
    set(span, NEXT_PROTOCOL, tls.nextProtocol);
    Boolean resumed = tls.resumed;
    if (resumed != null) {
      span.setAttribute(RESUMED, resumed);
    }
    ClientCertificate certificate = tls.clientCertificate;
    if (certificate != null) {
      set(span, CLIENT_HASH, certificate.sha256());
      set(span, CLIENT_ISSUER, certificate.issuer());
      set(span, CLIENT_SUBJECT, certificate.subject());
      set(span, CLIENT_NOT_BEFORE, certificate.notBefore());
      set(span, CLIENT_NOT_AFTER, certificate.notAfter());
    }
  }

  private static void set(Span span, AttributeKey<String> key, @Nullable String value) {
    if (value != null && !value.isEmpty()) {
      span.setAttribute(key, value);
    }
  }
}
