package dev.underspan.bridge.tls;

import java.util.Map;

/**
 * Why calls into OpenSSL fail, by the numbers of openssl/sslerr.h, which are the same in all
 * versions from 1.1 on. An alert that the peer has sent is its number (RFC 8446, 6) and 1000.
 */
final class OpenSslReasons {
  private static final int ALERT = 1000;

  private static final Map<Integer, String> ALERTS =
      Map.ofEntries(
          Map.entry(10, "unexpected_message"),
          Map.entry(20, "bad_record_mac"),
          Map.entry(22, "record_overflow"),
          Map.entry(40, "handshake_failure"),
          Map.entry(42, "bad_certificate"),
          Map.entry(43, "unsupported_certificate"),
          Map.entry(44, "certificate_revoked"),
          Map.entry(45, "certificate_expired"),
          Map.entry(46, "certificate_unknown"),
          Map.entry(47, "illegal_parameter"),
          Map.entry(48, "unknown_ca"),
          Map.entry(49, "access_denied"),
          Map.entry(50, "decode_error"),
          Map.entry(51, "decrypt_error"),
          Map.entry(70, "protocol_version"),
          Map.entry(71, "insufficient_security"),
          Map.entry(80, "internal_error"),
          Map.entry(86, "inappropriate_fallback"),
          Map.entry(90, "user_canceled"),
          Map.entry(109, "missing_extension"),
          Map.entry(110, "unsupported_extension"),
          Map.entry(112, "unrecognized_name"),
          Map.entry(113, "bad_certificate_status_response"),
          Map.entry(115, "unknown_psk_identity"),
          Map.entry(116, "certificate_required"),
          Map.entry(120, "no_application_protocol"));

  private static final Map<Integer, String> OWN =
      Map.of(
          118, "no_suitable_signature_algorithm",
          123, "bad_signature",
          134, "certificate_verify_failed",
          181, "no_ciphers_available",
          191, "no_protocols_available",
          258, "unsupported_protocol",
          267, "wrong_version_number",
          294, "unexpected_eof_while_reading",
          338, "unsafe_legacy_renegotiation_disabled",
          394, "dh_key_too_small");

  private OpenSslReasons() {}

  /** What stands for it as an error's type, e.g. {@code alert_unknown_ca}. */
  static String name(int reason) {
    String alert = ALERTS.get(reason - ALERT);
    return alert != null ? "alert_" + alert : OWN.getOrDefault(reason, "openssl_" + reason);
  }
}
