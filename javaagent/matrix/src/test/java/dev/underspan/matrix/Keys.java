package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A server's key, and its certificate as one that is trusted, in a file for both sides. */
final class Keys {
  static final String PASSWORD = "password";

  private Keys() {}

  /** Makes the file. */
  static Path make(Path directory) throws Exception {
    Path keys = directory.resolve("keys.p12");
    String certificate = directory.resolve("cert").toString();
    String[] key = {"-genkeypair", "-alias", "server", "-keyalg", "EC", "-dname", "CN=localhost"};
    keytool(keys, key);
    keytool(keys, "-exportcert", "-alias", "server", "-file", certificate);
    keytool(keys, "-importcert", "-noprompt", "-alias", "trusted", "-file", certificate);
    return keys;
  }

  private static void keytool(Path keys, String... arguments) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
    command.addAll(List.of(arguments));
    command.addAll(List.of("-storetype", "PKCS12", "-keystore", keys.toString()));
    command.addAll(List.of("-storepass", PASSWORD));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
  }
}
