package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/**
 * Keys of clients, and who signed them: {@code ca} is nobody's but its own, {@code signed} is
 * signed by it, {@code selfsigned} by itself. All are in one PKCS12 file, whose certificates are
 * also what a server trusts.
 */
record ClientKeys(Path store) {
  static final String PASSWORD = TestKeys.PASSWORD;
  static final String ISSUER = "CN=Test CA, O=Underspan";

  /** Makes them in that folder. */
  static ClientKeys make(Path directory) throws Exception {
    ClientKeys keys = new ClientKeys(directory.resolve("clients.p12"));
    keys.generate("ca", ISSUER, "-ext", "bc:c");
    keys.generate("signed", "CN=alice, O=Underspan", "-signer", "ca");
    keys.generate("selfsigned", "CN=bob, O=Underspan");
    return keys;
  }

  private void generate(String alias, String name, String... more) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                alias,
                "-keyalg",
                "EC",
                "-dname",
                name,
                "-storetype",
                "PKCS12",
                "-keystore",
                store.toString(),
                "-storepass",
                PASSWORD));
    command.addAll(Arrays.asList(more));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
  }

  /** A certificate of theirs. */
  X509Certificate certificate(String alias) throws Exception {
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, PASSWORD.toCharArray());
    }
    return (X509Certificate) keys.getCertificate(alias);
  }

  /** Its fingerprint, as spans tell it. */
  String sha256(String alias) throws Exception {
    byte[] hash = MessageDigest.getInstance("SHA-256").digest(certificate(alias).getEncoded());
    return HexFormat.of().formatHex(hash).toUpperCase(java.util.Locale.ROOT);
  }
}
