package dev.underspan.instrument;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.underspan.instrument.testagent.AgentMain;
import java.io.File;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Runs small applications in JVMs of their own, under an agent laid out like the real one. */
class ForkedJvmTest {
  @TempDir static Path directory;

  private static Path agentJar = Path.of("unset");

  @BeforeAll
  @SuppressWarnings("NullAway") // JUnit fills the directory in
  static void buildAgent() throws Exception {
    Manifest manifest = new Manifest();
    Attributes attributes = manifest.getMainAttributes();
    attributes.put(Attributes.Name.MANIFEST_VERSION, "1.0");
    attributes.putValue("Premain-Class", AgentMain.class.getName());
    attributes.putValue("Can-Retransform-Classes", "true");
    attributes.putValue("Can-Redefine-Classes", "true");
    agentJar = directory.resolve("agent.jar");
    String entry = AgentMain.class.getName().replace('.', '/') + ".class";
    try (OutputStream out = Files.newOutputStream(agentJar);
        JarOutputStream jar = new JarOutputStream(out, manifest);
        InputStream in = AgentMain.class.getClassLoader().getResourceAsStream(entry)) {
      jar.putNextEntry(new JarEntry(entry));
      in.transferTo(jar);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "17,record,ExecutorApp,",
    "25,record,ExecutorApp,",
    "17,throw,ExecutorApp,",
    "25,throw,ExecutorApp,",
    "17,record,ThreadApp,",
    "25,record,ThreadApp,",
    "17,throw,ThreadApp,",
    "25,throw,ThreadApp,",
    "17,record,JdkHttpApp,",
    "25,record,JdkHttpApp,",
    "17,throw,JdkHttpApp,",
    "25,throw,JdkHttpApp,",
    "17,record,ServletApp,tomcat",
    "25,record,ServletApp,tomcat",
    "17,throw,ServletApp,tomcat",
    "25,throw,ServletApp,tomcat",
    "17,record,ServletApp,jetty",
    "25,record,ServletApp,jetty",
    "17,throw,ServletApp,jetty",
    "25,throw,ServletApp,jetty",
  })
  void application(String jdk, String mode, String app, String argument) throws Exception {
    Path java =
        Path.of(
            jdk.equals("17")
                ? "/usr/lib/jvm/java-17-openjdk-amd64/bin/java"
                : "/usr/lib/jvm/temurin-25-jdk-amd64/bin/java");
    assumeThat(java).exists();
    List<String> command = new ArrayList<>();
    command.add(java.toString());
    command.add("-Xshare:auto");
    command.add("-Xlog:cds");
    command.add("-javaagent:" + agentJar + "=" + mode + "," + agentPath());
    command.add("-cp");
    command.add(applicationPath());
    command.add("dev.underspan.instrument.testapp." + app);
    if (argument != null) {
      command.add(argument);
    }
    Path output = Files.createTempFile(directory, app, ".out");
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    boolean ended = process.waitFor(20, TimeUnit.SECONDS);
    process.destroyForcibly();
    String text = Files.readString(output);
    assertThat(ended).as(text).isTrue();
    assertThat(process.exitValue()).as(text).isZero();
    assertThat(text).contains("DONE").doesNotContain("Sharing is only supported");
  }

  /** Boot classes, advice, ByteBuddy and the test's runtimes: what the real jar holds. */
  private static String agentPath() {
    return select(true);
  }

  private static String applicationPath() {
    return select(false) + File.pathSeparator + testClasses();
  }

  private static String testClasses() {
    return Path.of("target", "test-classes").toAbsolutePath().toString();
  }

  private static String select(boolean agent) {
    List<String> chosen = new ArrayList<>();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      boolean server =
          entry.contains("/tomcat/")
              || entry.contains("/jetty/")
              || entry.contains("/slf4j/")
              || entry.contains("/jakarta/");
      boolean ours = entry.contains("/byte-buddy") || entry.contains("/javaagent/");
      if (agent ? ours : server) {
        chosen.add(entry);
      }
    }
    assertThat(chosen).as(Arrays.toString(chosen.toArray())).isNotEmpty();
    return String.join(File.pathSeparator, chosen);
  }
}
