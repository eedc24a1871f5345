package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import dev.underspan.abi.SocketEvent;
import dev.underspan.host.UnixSocket.Message;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A sidecar on the running kernel, with this process as the one that it serves. Needs root. */
@NullUnmarked
class SidecarTest {
  private static final long MS = 1_000_000;
  private static final int SLOTS = 1024;
  private static final int RING = 1 << 20;

  @TempDir Path directory;

  private final List<String> log = new CopyOnWriteArrayList<>();
  private Path path;
  private Sidecar sidecar;
  private Thread server;

  @BeforeEach
  void start() throws Exception {
    path = directory.resolve("a.sock");
    begin();
  }

  private void begin() throws Exception {
    sidecar = Sidecar.open(path, 64 << 20, log::add);
    server = new Thread(sidecar::run, "sidecar");
    server.start();
  }

  @AfterEach
  void stop() throws Exception {
    sidecar.close();
    server.join();
    assertThat(path).doesNotExist();
  }

  private KernelProbes connect() throws Exception {
    return TestProbes.asAgent(() -> KernelProbes.connect(path, RING, SLOTS));
  }

  private static void assertMeasures(KernelProbes probes) throws Exception {
    long[] account = TestProbes.measure(probes, () -> Thread.sleep(60));
    TestProbes.assertAddsUp(account);
    assertThat(account[Layout.KIND_SLEEP])
        .as("%s", Arrays.toString(account))
        .isGreaterThan(58 * MS);
    account =
        TestProbes.measure(
            probes,
            () -> {
              long end = System.nanoTime() + 40 * MS;
              while (System.nanoTime() < end) {
                Thread.onSpinWait();
              }
            });
    TestProbes.assertAddsUp(account);
    assertThat(account[Layout.KIND_CPU] + account[Layout.KIND_RUN_QUEUE]).isGreaterThan(38 * MS);
    assertThat(account[Layout.KIND_CPU]).isPositive();
  }

  @Test
  void aProcessIsServedAsIfTheProgramsWereItsOwn() throws Exception {
    TestProbes.needSockets();
    try (ServerSocket older = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      KernelProbes probes = connect();
      assertThat(probes.isBySidecar()).isTrue();
      assertThat(probes.socketsMissing()).isNull();
      assertThat(probes.safepointsMissing()).isNull();
      assertMeasures(probes);
      long stopped = probes.ledger().stoppedUntil(System.nanoTime());
      System.gc();
      assertThat(probes.ledger().stoppedUntil(System.nanoTime())).isGreaterThan(stopped);
      List<String> seen = new ArrayList<>();
      try (Socket client = new Socket(older.getInetAddress(), older.getLocalPort());
          Socket accepted = older.accept()) {
        client.getOutputStream().write("to the older one".getBytes(StandardCharsets.US_ASCII));
        assertThat(accepted.getInputStream().readNBytes(16)).hasSize(16);
        probes.events().drain(event -> seen.add(role(event) + " " + TestProbes.text(event)));
      }
      assertThat(seen)
          .containsExactly(
              Layout.ROLE_CLIENT + " to the older one", Layout.ROLE_SERVER + " to the older one");
      probes.close();
    }
  }

  private static int role(SocketEvent event) {
    return event.role();
  }

  @Test
  void threadsKeepTheirSlotsWithTheNextSidecar() throws Exception {
    KernelProbes probes = connect();
    int slot = probes.enrol(false);
    assertThat(slot).isPositive();
    CountDownLatch done = new CountDownLatch(1);
    Thread ofAgent = new Thread(() -> await(done), "of-agent");
    ofAgent.start();
    int agent = probes.ledger().find(tidOf("of-agent"));
    probes.markAgents(List.of(tidOf("of-agent")));
    sidecar.close();
    server.join();
    probes.awaitSidecarEnd();
    long[] before = new long[Ledger.KINDS];
    long[] after = new long[Ledger.KINDS];
    long from = probes.ledger().readNow(slot, before);
    Thread born = new Thread(() -> await(done), "born");
    born.start();
    Thread.sleep(60);
    begin();
    probes.reconnect(path);
    assertThat(probes.enrol(false)).isEqualTo(slot);
    assertMeasures(probes);
    long until = probes.ledger().readNow(slot, after);
    long sum = 0;
    for (int kind = 0; kind < Ledger.KINDS; kind++) {
      sum += after[kind] - before[kind];
    }
    assertThat(Math.abs(sum - (until - from))).isLessThan(MS);
    assertThat(probes.ledger().find(tidOf("born"))).isPositive();
    assertThat(isAgent(probes, agent)).isTrue();
    done.countDown();
    born.join();
    ofAgent.join();
    probes.close();
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static int tidOf(String name) throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
    int tid = 0;
    while (tid == 0 && System.nanoTime() < deadline) {
      tid = tidNow(name); // it names itself a little after its start
    }
    assertThat(tid).as(name).isPositive();
    return tid;
  }

  private static String nameOf(Path task) {
    try {
      return Files.readString(task.resolve("comm")).strip();
    } catch (IOException e) {
      return ""; // it has ended meanwhile
    }
  }

  private static int tidNow(String name) throws Exception {
    try (var tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
      for (Path task : tasks) {
        if (nameOf(task).equals(name)) {
          return Integer.parseInt(task.getFileName().toString());
        }
      }
    }
    return 0;
  }

  private static boolean isAgent(KernelProbes probes, int slot) {
    return probes.ledger().isAgent(slot);
  }

  @Test
  void aProcessIsServedOnce() throws Exception {
    KernelProbes probes = connect();
    assertThatThrownBy(this::connect).hasMessageContaining("served already");
    probes.close();
    // When it has left it can come back, as often as it likes.
    for (int i = 0; i < 20; i++) {
      KernelProbes again = connectSoon();
      assertThat(again.enrol(false)).isPositive();
      again.close();
    }
  }

  /** The sidecar learns a little later that the one before has left. */
  private KernelProbes connectSoon() throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
    while (true) {
      try {
        return connect();
      } catch (ProbeException e) {
        if (!e.getMessage().contains("served already") || System.nanoTime() > deadline) {
          throw e;
        }
        Thread.sleep(5);
      }
    }
  }

  @Test
  void onlyOneListens() {
    assertThatThrownBy(() -> Sidecar.open(path, 1 << 20, log::add))
        .hasMessageContaining("another sidecar listens");
  }

  @Test
  void moreMemoryThanAllowedIsRefused() throws Exception {
    assertThatThrownBy(() -> KernelProbes.connect(path, 64 << 20, SLOTS))
        .hasMessageContaining("--memory");
    assertServes();
  }

  /** Goes on serving whatever came before. */
  private void assertServes() throws Exception {
    KernelProbes probes = connectSoon();
    assertThat(probes.enrol(false)).isPositive();
    probes.close();
  }

  private static String refusal(UnixSocket socket) throws Exception {
    Message answer = socket.receive();
    assertThat(answer).isNotNull();
    assertThat(answer.bytes().getInt()).isEqualTo(SidecarProtocol.REFUSED);
    answer.bytes().getInt();
    return SidecarProtocol.text(answer.bytes());
  }

  private String refusalOf(ByteBuffer message, int... files) throws Exception {
    try (UnixSocket socket = UnixSocket.connect(path)) {
      assertThat(socket.send(message, files)).isZero();
      String why = refusal(socket);
      assertThat(socket.receive()).isNull();
      return why;
    }
  }

  @Test
  void otherVersionsAndOtherLayoutsAreRefused() throws Exception {
    int layout = Layout.FINGERPRINT;
    assertThat(refusalOf(hello(SidecarProtocol.MAGIC, 99, layout, SLOTS, RING)))
        .contains("use the same underspan.jar");
    assertThat(refusalOf(hello(SidecarProtocol.MAGIC, 1, layout + 1, SLOTS, RING)))
        .contains("use the same underspan.jar");
    assertThat(refusalOf(hello(1, 1, layout, SLOTS, RING))).contains("not an agent");
    assertThat(refusalOf(hello(SidecarProtocol.MAGIC, 1, layout, 0, RING))).contains("0 slots");
    assertThat(refusalOf(hello(SidecarProtocol.MAGIC, 1, layout, SLOTS, 4097))).contains("4097");
    assertThat(refusalOf(SidecarProtocol.message(SidecarProtocol.HELLO, 1))).contains("too short");
    assertThat(refusalOf(SidecarProtocol.message(SidecarProtocol.UPROBE, 1, 1, 1, 1)))
        .contains("not what comes now");
    assertServes();
  }

  private static ByteBuffer hello(int... numbers) {
    return SidecarProtocol.message(SidecarProtocol.HELLO, numbers);
  }

  @Test
  void whoCannotRepeatTheQuestionIsRefused() throws Exception {
    try (UnixSocket socket = UnixSocket.connect(path)) {
      socket.send(SidecarProtocol.hello(SLOTS, RING));
      Message challenge = socket.receive();
      challenge.bytes().getInt();
      long nonce = challenge.bytes().getLong();
      socket.send(SidecarProtocol.withNonce(SidecarProtocol.ANSWER, nonce + 1));
      assertThat(refusal(socket)).contains("somebody else");
    }
    assertServes();
  }

  /** Files that are no maps, in the place of those from before. */
  @Test
  void mapsThatAreNoneAreRefused() throws Exception {
    int file = Native.open(Path.of("/proc/self/status"));
    try (UnixSocket socket = UnixSocket.connect(path)) {
      int[] maps = TestProbes.SOCKETS ? new int[] {file, file, file} : new int[] {file};
      socket.send(SidecarProtocol.hello(SLOTS, RING), maps);
      Message challenge = socket.receive();
      challenge.bytes().getInt();
      socket.send(SidecarProtocol.withNonce(SidecarProtocol.ANSWER, challenge.bytes().getLong()));
      assertThat(refusal(socket)).contains("giving the programs a map");
    } finally {
      Native.close(file);
    }
    assertServes();
  }

  @Test
  void probesThatCannotBeAreRefusedAndHarmNobody() throws Exception {
    SidecarClient client = SidecarClient.connect(path, SLOTS, RING, null);
    Path text = Files.writeString(directory.resolve("text"), "no code");
    for (long offset : new long[] {1 << 20, Long.MAX_VALUE}) {
      assertThatThrownBy(() -> client.attachUprobe("on_safepoint_end", text, offset, false))
          .isInstanceOf(ProbeException.class);
    }
    assertThatThrownBy(() -> client.attachUprobe("on_switch", text, 0, false))
        .hasMessageContaining("no such probe");
    client.detachUprobe(4711);
    client.adopt(List.of(0, 1, 2));
    client.close();
    client.maps().close();
    assertServes();
  }

  /** The application goes on opening and closing sockets while they are told. */
  @Test
  void socketsThatAreClosedMeanwhileAreLeftOut() throws Exception {
    SidecarClient client = SidecarClient.connect(path, SLOTS, RING, null);
    int stays = Native.socket(2, 1); // AF_INET, SOCK_STREAM
    int comesAndGoes = Native.socket(2, 1);
    Native.close(comesAndGoes);
    AtomicBoolean over = new AtomicBoolean();
    Thread application =
        new Thread(
            () -> {
              while (!over.get()) {
                Native.close(Native.socket(2, 1));
              }
            });
    application.start();
    try {
      for (int i = 0; i < 1000; i++) {
        client.adopt(List.of(stays, comesAndGoes));
      }
    } finally {
      over.set(true);
      application.join();
      Native.close(stays);
      client.close();
      client.maps().close();
    }
  }

  @Test
  void garbageAndFloodsEndTheirOwnConnectionOnly() throws Exception {
    Random random = new Random(7);
    int descriptors = openDescriptors();
    for (int i = 0; i < 2_000; i++) {
      try (UnixSocket socket = UnixSocket.connect(path)) {
        int count = 1 + random.nextInt(3);
        for (int j = 0; j < count; j++) {
          ByteBuffer garbage = Native.allocate(1 + random.nextInt(200));
          for (int at = 0; at < garbage.capacity(); at++) {
            garbage.put(at, (byte) random.nextInt());
          }
          if (garbage.capacity() >= 4 && random.nextBoolean()) {
            garbage.putInt(0, random.nextInt(11));
          }
          socket.send(garbage, random.nextInt(4) == 0 ? new int[] {0, 1, 2} : new int[0]);
        }
      }
    }
    // Many that say nothing: the user's own are refused, and in time they are let go.
    List<UnixSocket> silent = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      silent.add(UnixSocket.connect(path));
    }
    for (UnixSocket socket : silent) {
      socket.close();
    }
    // One that never reads its answers.
    SidecarClient client = connectClientSoon();
    for (int i = 0; i < 100_000; i++) {
      if (client.sendOnly(SidecarProtocol.message(SidecarProtocol.RELEASE, i)) < 0) {
        break;
      }
    }
    client.close();
    client.maps().close();
    assertServes();
    assertThat(openDescriptors()).isLessThan(descriptors + 16);
    assertThat(log.size()).isLessThan(2_000);
  }

  private SidecarClient connectClientSoon() throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (true) {
      try {
        return SidecarClient.connect(path, SLOTS, RING, null);
      } catch (ProbeException e) {
        if (System.nanoTime() > deadline) {
          throw e;
        }
        Thread.sleep(10);
      }
    }
  }

  private static int openDescriptors() {
    return Path.of("/proc/self/fd").toFile().list().length;
  }
}
