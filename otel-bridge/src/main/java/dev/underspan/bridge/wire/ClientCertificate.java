package dev.underspan.bridge.wire;

import org.jspecify.annotations.Nullable;

/**
 * The certificate by which a client made itself known (mutual TLS).
 *
 * @param sha256 its fingerprint, upper case hexadecimal digits
 * @param issuer distinguished name of who issued it; null if that is not to be told
 * @param subject distinguished name of whose it is; null if that is not to be told
 * @param notBefore when it begins to be valid, ISO 8601
 * @param notAfter when it no longer is, ISO 8601
 */
public record ClientCertificate(
    String sha256,
    @Nullable String issuer,
    @Nullable String subject,
    String notBefore,
    String notAfter) {}
