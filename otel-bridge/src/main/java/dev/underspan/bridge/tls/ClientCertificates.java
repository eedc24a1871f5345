package dev.underspan.bridge.tls;

import dev.underspan.bridge.wire.ClientCertificate;
import dev.underspan.bridge.wire.WireCounters;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.cert.Certificate;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.util.Enumeration;
import java.util.HexFormat;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Certificates that clients have shown. Those that a server of this process has seen are kept here
 * from the end of the handshake until the first span of the connection asks for them, by the hello
 * of the server, which the wire shows, too. Bounded; what does not fit is counted.
 */
public final class ClientCertificates {
  private static final int MAX = 8192;

  private final boolean subjects;
  private final WireCounters counters;
  private final ConcurrentHashMap<TlsKey, ClientCertificate> byHello = new ConcurrentHashMap<>();

  /**
   * None yet.
   *
   * @param subjects whether to tell whose they are
   */
  public ClientCertificates(boolean subjects, WireCounters counters) {
    this.subjects = subjects;
    this.counters = counters;
  }

  /** What is to be told of the first of a chain; null if there is none of a kind that we know. */
  @Nullable ClientCertificate describe(Certificate @Nullable [] chain) {
    if (chain == null || chain.length == 0 || !(chain[0] instanceof X509Certificate first)) {
      return null;
    }
    String subject = first.getSubjectX500Principal().toString();
    String issuer = first.getIssuerX500Principal().toString();
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(first.getEncoded());
      return new ClientCertificate(
          HexFormat.of().withUpperCase().formatHex(hash),
          // Who signed his own has the same name there.
          subjects || !issuer.equals(subject) ? issuer : null,
          subjects ? subject : null,
          first.getNotBefore().toInstant().toString(),
          first.getNotAfter().toInstant().toString());
    } catch (NoSuchAlgorithmException | CertificateEncodingException e) {
      throw new IllegalStateException(e);
    }
  }

  /** A server that sent this hello has seen that certificate. */
  void put(TlsKey hello, ClientCertificate certificate) {
    if (byHello.size() >= MAX) {
      Enumeration<TlsKey> any = byHello.keys();
      if (any.hasMoreElements() && byHello.remove(any.nextElement()) != null) {
        counters.tlsDropped.increment();
      }
    }
    byHello.put(hello, certificate);
  }

  /** What a server has seen that sent this hello, once. */
  @Nullable ClientCertificate take(TlsKey hello) {
    return byHello.isEmpty() ? null : byHello.remove(hello);
  }
}
