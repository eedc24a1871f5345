package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two processes that one set of programs serves: each has what is its own. Needs root. */
@NullUnmarked
class SeparationTest {
  private static final int RING = 1 << 20;
  private static final int SLOTS = 256;
  private static final int BPF_MAP_LOOKUP_ELEM = 1;

  @TempDir Path directory;

  /**
   * A process: moves some bytes, and tells what it has of itself and of the one that started it.
   */
  public static final class Served {
    private Served() {}

    /** Arguments: the sidecar's socket, the id of a thread of the other process. */
    public static void main(String[] args) throws Exception {
      KernelProbes probes = connect(Path.of(args[0]));
      int slot = probes.enrol(false);
      talk("of the second");
      System.out.println("ready");
      System.in.read();
      System.out.println("own " + (probes.ledger().find(Native.threadId()) == slot));
      System.out.println("other " + probes.ledger().find(Integer.parseInt(args[1])));
      System.out.println("events " + payloads(probes));
    }
  }

  private static KernelProbes connect(Path sidecar) throws Exception {
    return TestProbes.asAgent(() -> KernelProbes.connect(sidecar, RING, SLOTS));
  }

  private static void talk(String text) throws Exception {
    byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        Socket client = new Socket(server.getInetAddress(), server.getLocalPort());
        Socket accepted = server.accept()) {
      client.getOutputStream().write(bytes);
      assertThat(accepted.getInputStream().readNBytes(bytes.length)).isEqualTo(bytes);
    }
  }

  /** Of what its events carry. */
  private static List<String> payloads(KernelProbes probes) {
    List<String> seen = new ArrayList<>();
    probes.events().drain(event -> seen.add(TestProbes.text(event)));
    seen.removeIf(String::isEmpty);
    return seen;
  }

  @Test
  void eachSeesItsOwnThreadsAndSocketsOnly() throws Exception {
    TestProbes.needSockets();
    Path path = directory.resolve("sidecar.sock");
    Sidecar sidecar = Sidecar.open(path, 64 << 20, line -> {});
    Thread server = new Thread(sidecar::run, "sidecar");
    server.start();
    try {
      KernelProbes probes = connect(path);
      int slot = probes.enrol(false);
      Process second =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-Xmx64m",
                  "-cp",
                  System.getProperty("java.class.path"),
                  Served.class.getName(),
                  path.toString(),
                  Integer.toString(Native.threadId()))
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      try (BufferedReader lines =
              new BufferedReader(
                  new InputStreamReader(second.getInputStream(), StandardCharsets.UTF_8));
          OutputStream input = second.getOutputStream()) {
        assertThat(lines.readLine()).isEqualTo("ready");
        talk("of the first");
        assertThat(probes.ledger().find(Native.threadId())).isEqualTo(slot);
        assertThat(probes.ledger().find((int) second.pid())).isEqualTo(-1);
        assertThat(payloads(probes)).containsExactly("of the first", "of the first");
        input.write('\n');
        input.flush();
        assertThat(lines.readLine()).isEqualTo("own true");
        assertThat(lines.readLine()).isEqualTo("other -1");
        assertThat(lines.readLine()).isEqualTo("events [of the second, of the second]");
        assertThat(second.waitFor()).isZero();
      } finally {
        second.destroyForcibly();
      }
      probes.close();
    } finally {
      sidecar.close();
      server.join();
    }
  }

  /** An open socket is noted as its own process's, whichever was admitted last. */
  @Test
  void openSocketsAreAdoptedForTheirOwnProcess() throws Exception {
    TestProbes.needSockets();
    int socket = Native.socket(2, 1); // AF_INET, SOCK_STREAM
    ProcessMaps first = ProcessMaps.create(SLOTS, RING);
    ProcessMaps second = ProcessMaps.create(SLOTS, RING);
    try (Programs programs = Programs.load()) {
      programs.put(1, first, SLOTS);
      programs.put(2, second, SLOTS);
      programs.adopt(socket, 1);
      ByteBuffer known = connection(programs, socket);
      assertThat(known.getInt(Layout.Connection.PROCESS)).isEqualTo(1);
      assertThat(known.getInt(Layout.Connection.ADMISSION)).isEqualTo(1);
    } finally {
      first.close();
      second.close();
      Native.close(socket);
    }
  }

  private static ByteBuffer connection(Programs programs, int socket) throws ProbeException {
    ByteBuffer key = Native.allocate(4).putInt(0, socket);
    ByteBuffer value = Native.allocate(Layout.Connection.SIZE);
    ByteBuffer attributes = Native.allocate(32);
    attributes.putInt(0, programs.skeleton().map("connections"));
    attributes.putLong(8, Native.address(key)).putLong(16, Native.address(value));
    assertThat(Native.bpf(BPF_MAP_LOOKUP_ELEM, attributes, key, value)).isZero();
    return value;
  }
}
