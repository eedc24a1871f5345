package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.underspan.abi.Layout;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The set for kernels that interrupt programs, on any that has tracepoints on sockets: a first
 * program that is left out is taken away here. Needs root and fails without.
 */
@NullUnmarked
class TwiceTest {
  private static final int ROUNDS = 100;
  private static final int SLOTS = 61;

  private static KernelProbes probes;

  @BeforeAll
  static void open() throws Exception {
    assumeThat(KernelTypes.read(KernelTypes.FILE).hasTracepoint("sock_send_length")).isTrue();
    System.setProperty("underspan.programs", "twice");
    try {
      probes = TestProbes.open(SLOTS);
    } finally {
      System.clearProperty("underspan.programs");
    }
    assertThat(probes.programs().set()).isEqualTo(ProgramSet.TWICE);
  }

  @AfterAll
  static void close() {
    if (probes != null) {
      probes.close();
    }
  }

  /** Works without one of two programs. */
  private static void without(String program, TestProbes.Work work) throws Exception {
    if (program.isEmpty()) {
      work.run();
      return;
    }
    LightSkeleton skeleton = probes.programs().skeleton();
    skeleton.detach(program);
    try {
      work.run();
    } finally {
      skeleton.attach(program);
      // The second one behind the first again.
      String first = program.replace("_again", "");
      TestProbes.giveBack(probes, TestProbes.takeAway(probes, first));
    }
  }

  /** Each side's events of a conversation of which each round is a byte there and back. */
  private List<Integer> converse() throws Exception {
    int port;
    try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        Socket client = new Socket(server.getInetAddress(), server.getLocalPort());
        Socket accepted = server.accept()) {
      port = server.getLocalPort();
      for (int round = 0; round < ROUNDS; round++) {
        client.getOutputStream().write(1);
        accepted.getOutputStream().write(accepted.getInputStream().read());
        assertThat(client.getInputStream().read()).isOne();
      }
    }
    List<Integer> types = new ArrayList<>();
    probes
        .events()
        .drain(
            event -> {
              if (event.role() == Layout.ROLE_CLIENT && event.remotePort() == port) {
                types.add(event.type());
              }
            });
    return types;
  }

  private static List<Integer> whole() {
    return Stream.concat(
            Stream.generate(() -> List.of(Layout.EVENT_SENT, Layout.EVENT_RECEIVED))
                .limit(ROUNDS)
                .flatMap(List::stream),
            Stream.of(Layout.EVENT_CLOSED))
        .toList();
  }

  @Test
  void whatTheFirstToldIsNotToldAgain() throws Exception {
    assertThat(converse()).isEqualTo(whole());
    assertThat(probes.counters()).containsEntry("transfers_unseen", 0L);
  }

  @ParameterizedTest
  @ValueSource(strings = {"on_sent", "on_received", "on_set_state"})
  void whatTheFirstDidNotTellTheSecondDoes(String program) throws Exception {
    without(
        program,
        () -> {
          assertThat(converse()).isEqualTo(whole());
          assertThat(probes.counters())
              .containsEntry("transfers_unseen", 0L)
              .containsEntry("accepts_unseen", 0L);
        });
  }

  /** The slot that a new thread is given. */
  private int enrolled() throws Exception {
    FutureTask<Integer> slot = new FutureTask<>(() -> probes.enrol(false));
    Thread thread = new Thread(slot);
    thread.start();
    thread.join();
    return slot.get();
  }

  /** Those given back twice would be more than there are, which is counted. */
  @ParameterizedTest
  @ValueSource(strings = {"", "on_exit", "on_exit_again"})
  void slotsOfEndedThreadsAreFreeOnce(String taken) throws Exception {
    without(
        taken,
        () -> {
          for (int i = 0; i < 3 * SLOTS; i++) {
            assertThat(enrolled()).isPositive();
          }
          assertThat(probes.counters()).containsEntry("slots_exhausted", 0L);
        });
  }

  @Test
  void theDecisionIsByTheRelease() {
    assertThat(Stream.of("5.19.0-50-generic", "6.18.44", "6.18", "", "unknown", "99999999.1"))
        .noneMatch(ProgramSet::interruptsPrograms);
    assertThat(Stream.of("7.0.0", "7.3.2+deb13-amd64", "7", "10.1-rc1"))
        .allMatch(ProgramSet::interruptsPrograms);
  }
}
