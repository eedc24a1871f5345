package dev.underspan.bridge.wire;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** A real broker in a process of its own, one node that is its own controller. */
public final class KafkaBroker implements AutoCloseable {
  /** Where it listens. */
  public final int port;

  private final Process process;

  /** Starts one whose clients come to it directly. */
  public KafkaBroker(Path directory) throws IOException {
    this(directory, 0);
  }

  /** The same with TLS and nothing else, by a PKCS 12 file that has key and certificate. */
  public static KafkaBroker withTls(Path directory, Path keys, String password) throws IOException {
    return new KafkaBroker(
        directory,
        0,
        "SSL",
        "listener.security.protocol.map=SSL:SSL,CONTROLLER:PLAINTEXT",
        "security.inter.broker.protocol=SSL",
        "ssl.keystore.location=" + keys,
        "ssl.keystore.password=" + password,
        "ssl.truststore.location=" + keys,
        "ssl.truststore.password=" + password);
  }

  /** Starts one whose clients are told to come to another port, where something passes them on. */
  KafkaBroker(Path directory, int advertisedPort) throws IOException {
    this(directory, advertisedPort, "PLAINTEXT");
  }

  private KafkaBroker(Path directory, int advertisedPort, String protocol, String... more)
      throws IOException {
    port = freePort();
    int advertised = advertisedPort == 0 ? port : advertisedPort;
    int controller = freePort();
    Path config = directory.resolve("server.properties");
    Files.writeString(
        config,
        String.join(
            "\n",
            "process.roles=broker,controller",
            "node.id=1",
            "controller.quorum.voters=1@127.0.0.1:" + controller,
            "listeners="
                + protocol
                + "://127.0.0.1:"
                + port
                + ",CONTROLLER://127.0.0.1:"
                + controller,
            "advertised.listeners=" + protocol + "://127.0.0.1:" + advertised,
            "controller.listener.names=CONTROLLER",
            "log.dirs=" + directory.resolve("data"),
            "auto.create.topics.enable=false",
            "offsets.topic.replication.factor=1",
            "offsets.topic.num.partitions=1",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "transaction.state.log.num.partitions=1",
            "group.initial.rebalance.delay.ms=0",
            "num.network.threads=1",
            "num.io.threads=2",
            "log.cleaner.enable=false",
            String.join("\n", more),
            ""));
    process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                KafkaBroker.class.getName(),
                config.toString())
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("broker.log").toFile())
            .start();
  }

  /** Formats the directory, which a broker insists on, then is the broker. */
  public static void main(String[] args) {
    String config = args[0];
    Thread watch = new Thread(KafkaBroker::endWithTheTest, "watch");
    watch.setDaemon(true);
    watch.start();
    String[] format = {"format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", config};
    kafka.tools.StorageTool.execute(format, System.out);
    kafka.Kafka.main(new String[] {config});
  }

  /** The other end of standard input is the test's process. */
  private static void endWithTheTest() {
    try {
      while (System.in.read() >= 0) {
        // nothing is said
      }
    } catch (IOException e) {
      // its end all the same
    }
    Runtime.getRuntime().halt(0);
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  boolean isAlive() {
    return process.isAlive();
  }

  @Override
  public void close() {
    process.destroyForcibly();
    try {
      process.waitFor(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
