package dev.underspan.bridge.wire;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A server of this machine, started for a test on a free port with a directory of its own. */
public final class LocalServer implements AutoCloseable {
  private final Path directory;
  private final Process process;

  private static final String LOOPBACK = "127.0.0.1";

  /** Where it listens, of the loopback's addresses. */
  public final String address;

  /** Where it listens there. */
  public final int port;

  private LocalServer(Path directory, Process process, String address, int port) {
    this.address = address;
    this.directory = directory;
    this.process = process;
    this.port = port;
  }

  /** Redis, with nothing kept. */
  public static LocalServer redis() throws IOException, InterruptedException {
    int port = freePort();
    return redis(port, List.of("--port", "" + port));
  }

  /** The same, by TLS only; the files are in PEM. */
  public static LocalServer redis(Path certificate, Path key)
      throws IOException, InterruptedException {
    int port = freePort();
    List<String> tls = new ArrayList<>(List.of("--port", "0", "--tls-port", "" + port));
    tls.addAll(List.of("--tls-cert-file", "" + certificate, "--tls-key-file", "" + key));
    tls.addAll(List.of("--tls-ca-cert-file", "" + certificate, "--tls-auth-clients", "no"));
    return redis(port, tls);
  }

  private static LocalServer redis(int port, List<String> listeners)
      throws IOException, InterruptedException {
    Path directory = Files.createTempDirectory("underspan-redis");
    List<String> command = new ArrayList<>(List.of(find("redis-server")));
    command.addAll(listeners);
    command.addAll(List.of("--bind", "127.0.0.1", "--save", ""));
    command.addAll(List.of("--dir", directory.toString(), "--appendonly", "no"));
    return start(directory, command, LOOPBACK, port);
  }

  /** MariaDB, whose root has no password. */
  public static LocalServer mariaDb() throws IOException, InterruptedException {
    return mariaDb(List.of());
  }

  /** The same, which can also talk by TLS; the files are in PEM. */
  public static LocalServer mariaDb(Path certificate, Path key)
      throws IOException, InterruptedException {
    return mariaDb(List.of("--ssl-cert=" + certificate, "--ssl-key=" + key));
  }

  private static LocalServer mariaDb(List<String> more) throws IOException, InterruptedException {
    String server = find("mariadbd");
    String install = find("mariadb-install-db");
    Path directory = Files.createTempDirectory("underspan-mariadb");
    String data = "--datadir=" + directory.resolve("data");
    List<String> prepare = new ArrayList<>(List.of(install, "--no-defaults", data));
    prepare.addAll(List.of("--auth-root-authentication-method=normal", "--skip-test-db"));
    prepare.addAll(asRoot());
    if (run(directory, prepare).waitFor() != 0) {
      throw new AssertionError("mariadb-install-db: " + log(directory));
    }
    int port = freePort();
    List<String> command = new ArrayList<>(List.of(server, "--no-defaults", data));
    command.addAll(List.of("--port=" + port, "--bind-address=127.0.0.1", "--local-infile=1"));
    command.addAll(List.of("--socket=" + directory.resolve("s"), "--skip-name-resolve"));
    command.addAll(List.of("--innodb-buffer-pool-size=16M", "--max-allowed-packet=64M"));
    command.add("--innodb-flush-log-at-trx-commit=0");
    command.addAll(more);
    command.addAll(asRoot());
    return start(directory, command, LOOPBACK, port);
  }

  /**
   * A name server at an address of its own. Each name under {@code shop.test} is 127.0.0.1, and
   * there is none under {@code none.test}.
   */
  public static LocalServer names() throws IOException, InterruptedException {
    Path directory = Files.createTempDirectory("underspan-names");
    long pid = ProcessHandle.current().pid();
    String address = "127.53." + (pid >> 8 & 0xff) + "." + Math.max(1, pid & 0xff);
    List<String> command = new ArrayList<>(List.of(find("dnsmasq"), "--keep-in-foreground"));
    command.addAll(List.of("--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file="));
    command.addAll(List.of("--listen-address=" + address, "--bind-interfaces", "--port=53"));
    command.addAll(List.of("--address=/shop.test/127.0.0.1", "--local=/none.test/"));
    command.addAll(List.of("--log-facility=-", "--user=", "--dns-forward-max=1000"));
    return start(directory, command, address, 53);
  }

  /** nginx by TLS, which answers all with 200; the files are in PEM. */
  public static LocalServer nginx(Path certificate, Path key)
      throws IOException, InterruptedException {
    String server = find("nginx");
    Path directory = Files.createTempDirectory("underspan-nginx");
    int port = freePort();
    Path configuration = directory.resolve("nginx.conf");
    Files.writeString(
        configuration,
        """
        daemon off;
        master_process off;
        pid DIR/pid;
        error_log DIR/errors;
        events {}
        http {
          access_log off;
          client_body_temp_path DIR/body;
          proxy_temp_path DIR/proxy;
          fastcgi_temp_path DIR/fastcgi;
          uwsgi_temp_path DIR/uwsgi;
          scgi_temp_path DIR/scgi;
          server {
            listen 127.0.0.1:PORT ssl http2;
            ssl_certificate CERTIFICATE;
            ssl_certificate_key KEY;
            location / {
              return 200 "answer";
            }
          }
        }
        """
            .replace("DIR", directory.toString())
            .replace("PORT", "" + port)
            .replace("CERTIFICATE", certificate.toString())
            .replace("KEY", key.toString()));
    List<String> command = List.of(server, "-p", "" + directory, "-c", "" + configuration);
    return start(directory, command, LOOPBACK, port);
  }

  /** MariaDB does not run as root unless told to. */
  private static List<String> asRoot() {
    return "root".equals(System.getProperty("user.name")) ? List.of("--user=root") : List.of();
  }

  private static String find(String program) {
    List<String> places = new ArrayList<>(List.of("/usr/sbin", "/usr/local/sbin"));
    places.addAll(List.of(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator)));
    for (String place : places) {
      Path path = Path.of(place, program);
      if (Files.isExecutable(path)) {
        return path.toString();
      }
    }
    throw new AssertionError(program + " is not installed: run scripts/setup test");
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private static Process run(Path directory, List<String> command) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command);
    // Names of temporary tables clash with those of another run.
    builder.environment().put("TMPDIR", directory.toString());
    return builder
        .directory(directory.toFile())
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(directory.resolve("log").toFile()))
        .start();
  }

  private static String log(Path directory) throws IOException {
    return Files.readString(directory.resolve("log"));
  }

  private static LocalServer start(Path directory, List<String> command, String address, int port)
      throws IOException, InterruptedException {
    LocalServer server = new LocalServer(directory, run(directory, command), address, port);
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (server.process.isAlive() && System.nanoTime() < deadline) {
      try {
        new Socket(address, port).close();
        return server;
      } catch (IOException e) {
        Thread.sleep(20);
      }
    }
    String log = log(directory);
    server.close();
    throw new AssertionError(command.get(0) + " did not start: " + log);
  }

  @Override
  public void close() throws IOException {
    process.destroy();
    try {
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }
}
