package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/**
 * A key of a server on this machine, whose own certificate is what clients trust.
 *
 * @param store in PKCS12, the key as {@code server} and the certificate as {@code trusted}
 */
record TestKeys(Path store) {
  static final String PASSWORD = "secret";

  /** Makes it in that folder. */
  static TestKeys make(Path directory) throws Exception {
    TestKeys keys = new TestKeys(directory.resolve("keys.p12"));
    String certificate = directory.resolve("cert").toString();
    keys.run(
        "-genkeypair",
        "-alias",
        "server",
        "-keyalg",
        "EC",
        "-dname",
        "CN=localhost",
        "-ext",
        "san=dns:localhost,ip:127.0.0.1",
        "-storetype",
        "PKCS12");
    keys.run("-exportcert", "-alias", "server", "-file", certificate);
    keys.run("-importcert", "-noprompt", "-alias", "trusted", "-file", certificate);
    return keys;
  }

  private void run(String... arguments) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
    command.addAll(List.of(arguments));
    command.addAll(List.of("-keystore", store.toString(), "-storepass", PASSWORD));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
  }

  private KeyStore load() throws Exception {
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, PASSWORD.toCharArray());
    }
    return keys;
  }

  /** The certificate, for servers that are not Java. */
  String certificate() throws Exception {
    return pem("CERTIFICATE", load().getCertificate("server").getEncoded());
  }

  /** Its key. */
  String key() throws Exception {
    return pem("PRIVATE KEY", load().getKey("server", PASSWORD.toCharArray()).getEncoded());
  }

  private static String pem(String type, byte[] der) {
    return "-----BEGIN "
        + type
        + "-----\n"
        + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der)
        + "\n-----END "
        + type
        + "-----\n";
  }
}
