package dev.underspan.sample.load;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.tukaani.xz.XZInputStream;

/**
 * A PostgreSQL of its own on a port of its own, for as long as it is not closed.
 *
 * <p>The binaries come from the class path and are unpacked once per machine and user; so is an
 * empty cluster, of which every start takes a copy. The server is a child process of this one. It
 * refuses to run as root, so for root it runs as the unprivileged user 65534 (nobody) by {@code
 * setpriv}.
 */
public final class PostgresLauncher implements AutoCloseable {
  private static final String NOBODY = "65534";
  private static final Pattern READY = Pattern.compile("database system is ready to accept");

  private final ChildProcess server;
  private final Path data;
  private final int port;
  private final Duration stopGrace;
  private boolean closed;

  private PostgresLauncher(ChildProcess server, Path data, int port, Duration stopGrace) {
    this.server = server;
    this.data = data;
    this.port = port;
    this.stopGrace = stopGrace;
  }

  /** Starts a server, and returns when it takes connections. */
  public static PostgresLauncher start(Path log, Duration timeout, Duration stopGrace)
      throws IOException, InterruptedException {
    long deadline = System.nanoTime() + timeout.toNanos();
    Path home = home();
    Path data = newDataDirectory(home);
    PostgresLauncher launcher = null;
    try {
      int port = Ports.free();
      List<String> command =
          unprivileged(
              home.resolve("bin/postgres").toString(),
              "-D",
              data.toString(),
              "-p",
              Integer.toString(port),
              "-F");
      for (String setting :
          List.of(
              "listen_addresses=127.0.0.1",
              "unix_socket_directories=",
              "max_connections=50",
              "shared_buffers=32MB",
              "synchronous_commit=off",
              "full_page_writes=off",
              "lc_messages=C")) {
        command.add("-c");
        command.add(setting);
      }
      ProcessBuilder builder = builder(command, data);
      launcher =
          new PostgresLauncher(ChildProcess.start("postgres", builder, log), data, port, stopGrace);
      launcher.server.await(READY, deadline);
      return launcher;
    } catch (IOException | InterruptedException | RuntimeException e) {
      if (launcher == null) {
        deleteTree(data);
      } else {
        launcher.close();
      }
      throw e;
    }
  }

  /** The port on 127.0.0.1. */
  public int port() {
    return port;
  }

  /** The process id of the server. */
  public long pid() {
    return server.pid();
  }

  /** What to connect to; anybody on this machine may, without a password. */
  public String jdbcUrl() {
    return "jdbc:postgresql://127.0.0.1:" + port + "/postgres?user=postgres";
  }

  /** The server's log. */
  public Path log() {
    return server.log();
  }

  Path data() {
    return data;
  }

  List<ProcessHandle> processes() {
    List<ProcessHandle> all = new ArrayList<>(server.descendants());
    all.add(server.handle());
    return all;
  }

  @Override
  public synchronized void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    List<ProcessHandle> descendants = server.descendants();
    server.interrupt();
    List<ProcessHandle> left = server.awaitEnd(descendants, stopGrace);
    deleteTree(data);
    if (!left.isEmpty()) {
      throw new IOException("could not end " + left);
    }
  }

  private static boolean isRoot() throws IOException {
    return uid(Path.of("/proc/self")) == 0;
  }

  private static int uid(Path path) throws IOException {
    return (Integer) Files.getAttribute(path, "unix:uid");
  }

  private static List<String> unprivileged(String... command) throws IOException {
    List<String> all = new ArrayList<>();
    if (isRoot()) {
      all.addAll(
          List.of("setpriv", "--reuid=" + NOBODY, "--regid=" + NOBODY, "--clear-groups", "--"));
    }
    all.addAll(List.of(command));
    return all;
  }

  private static ProcessBuilder builder(List<String> command, Path directory) {
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.directory(directory.toFile());
    builder.environment().put("LC_ALL", "C");
    builder.environment().keySet().removeIf(name -> name.startsWith("PG"));
    return builder;
  }

  /** The unpacked binaries, with an empty cluster beside them. */
  private static Path home() throws IOException, InterruptedException {
    String archive = archive();
    Path cache = cacheDirectory();
    Path home = cache.resolve(archive.replace(".txz", "") + "-" + archiveSize(archive));
    if (Files.isDirectory(home)) {
      return home;
    }
    Path unpacked = newDirectory(cache, "unpack-");
    try {
      unpack(archive, unpacked);
      Path cluster = Files.createDirectory(unpacked.resolve("cluster"));
      giveToServer(cluster);
      run(
          builder(
              unprivileged(
                  unpacked.resolve("bin/initdb").toString(),
                  "--auth=trust",
                  "--username=postgres",
                  "--encoding=UTF-8",
                  "--no-locale",
                  "--no-sync",
                  "--wal-segsize=1",
                  "--pgdata=" + cluster),
              cluster));
      Files.move(unpacked, home, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException | InterruptedException | RuntimeException e) {
      deleteTree(unpacked);
      if (!(e instanceof FileSystemException && Files.isDirectory(home))) {
        throw e;
      }
      // Another process was quicker, and its directory is as good.
    }
    return home;
  }

  private static Path newDataDirectory(Path home) throws IOException, InterruptedException {
    Path data = newDirectory(cacheDirectory(), "data-");
    try {
      Files.setPosixFilePermissions(data, PosixFilePermissions.fromString("rwx------"));
      giveToServer(data);
      run(builder(unprivileged("cp", "-a", home.resolve("cluster") + "/.", data.toString()), data));
      return data;
    } catch (IOException | InterruptedException | RuntimeException e) {
      deleteTree(data);
      throw e;
    }
  }

  private static Path cacheDirectory() throws IOException {
    int user = uid(Path.of("/proc/self"));
    Path cache =
        Path.of(System.getProperty("java.io.tmpdir")).resolve("underspan-sample-postgres-" + user);
    Files.createDirectories(
        cache, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
    if (uid(cache) != user) {
      throw new IOException(cache + " belongs to somebody else");
    }
    return cache;
  }

  private static Path newDirectory(Path parent, String prefix) throws IOException {
    return Files.createTempDirectory(
        parent,
        prefix,
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
  }

  private static void giveToServer(Path path) throws IOException {
    if (isRoot()) {
      Files.setOwner(
          path, path.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName(NOBODY));
    }
  }

  private static String archive() throws IOException {
    String architecture = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    return switch (architecture) {
      case "amd64", "x86_64" -> "postgres-linux-x86_64.txz";
      case "aarch64", "arm64" -> "postgres-linux-arm_64.txz";
      default -> throw new IOException("no PostgreSQL for " + architecture);
    };
  }

  private static InputStream open(String archive) throws IOException {
    InputStream stream = PostgresLauncher.class.getResourceAsStream("/" + archive);
    if (stream == null) {
      throw new IOException(archive + " is not on the class path");
    }
    return stream;
  }

  /** The archive's size tells versions apart without unpacking. */
  private static long archiveSize(String archive) throws IOException {
    var resource = PostgresLauncher.class.getResource("/" + archive);
    if (resource == null) {
      throw new IOException(archive + " is not on the class path");
    }
    return resource.openConnection().getContentLengthLong();
  }

  private static void unpack(String archive, Path target) throws IOException {
    try (TarArchiveInputStream tar =
        new TarArchiveInputStream(
            new XZInputStream(new BufferedInputStream(open(archive), 1 << 16)))) {
      for (TarArchiveEntry entry = tar.getNextEntry(); entry != null; entry = tar.getNextEntry()) {
        Path path = target.resolve(entry.getName()).normalize();
        if (!path.startsWith(target)) {
          throw new IOException("unsafe path in " + archive + ": " + entry.getName());
        }
        if (entry.isDirectory()) {
          Files.createDirectories(path);
        } else if (entry.isSymbolicLink()) {
          Files.createDirectories(path.getParent());
          Files.createSymbolicLink(path, Path.of(entry.getLinkName()));
        } else {
          Files.createDirectories(path.getParent());
          Files.copy(tar, path);
          boolean executable = (entry.getMode() & 0100) != 0;
          Files.setPosixFilePermissions(
              path, PosixFilePermissions.fromString(executable ? "rwxr-xr-x" : "rw-r--r--"));
        }
      }
    }
  }

  private static void run(ProcessBuilder builder) throws IOException, InterruptedException {
    builder.redirectErrorStream(true);
    Process process = builder.start();
    process.getOutputStream().close();
    try {
      String output;
      try (InputStream stream = process.getInputStream()) {
        output = new String(stream.readAllBytes(), StandardCharsets.UTF_8);
      }
      if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
        throw new IOException(builder.command() + " failed:\n" + output);
      }
    } finally {
      process.destroyForcibly().onExit().join();
    }
  }

  private static void deleteTree(Path root) throws IOException {
    try {
      Files.walkFileTree(
          root,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                throws IOException {
              Files.deleteIfExists(file);
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
              if (e instanceof NoSuchFileException) {
                return FileVisitResult.CONTINUE;
              }
              throw e;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path directory, IOException e)
                throws IOException {
              Files.deleteIfExists(directory);
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (NoSuchFileException e) {
      // gone already
    }
  }
}
