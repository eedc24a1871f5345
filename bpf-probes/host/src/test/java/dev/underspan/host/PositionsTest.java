package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What moved without an event is known by the next one. Needs root and fails without. */
@NullUnmarked
class PositionsTest {
  private static KernelProbes probes;
  private long unseenBefore;
  private ServerSocket server;
  private Socket client;
  private Socket accepted;

  @BeforeAll
  static void open() throws Exception {
    TestProbes.needSockets();
    probes = TestProbes.open();
  }

  @AfterAll
  static void close() {
    if (probes != null) {
      probes.close();
    }
  }

  @BeforeEach
  void listen() throws Exception {
    unseenBefore = probes.counters().get("transfers_unseen");
    server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
    connect();
  }

  @AfterEach
  void disconnect() throws Exception {
    client.close();
    accepted.close();
    server.close();
    told(0);
  }

  private void connect() throws Exception {
    client = new Socket(server.getInetAddress(), server.getLocalPort());
    accepted = server.accept();
  }

  /** Moves so many bytes from the client to the server. */
  private void move(int bytes) throws Exception {
    client.getOutputStream().write(new byte[bytes]);
    assertThat(accepted.getInputStream().readNBytes(bytes)).hasSize(bytes);
  }

  /** Runs without the programs that tell of a direction. */
  private void unseen(String program, TestProbes.Work work) throws Exception {
    List<String> taken = TestProbes.takeAway(probes, program);
    work.run();
    TestProbes.giveBack(probes, taken);
  }

  /** {bytes of the call, bytes so far} of each event of a type. */
  private List<List<Long>> told(int type) {
    List<List<Long>> told = new ArrayList<>();
    probes
        .events()
        .drain(
            event -> {
              if (event.type() == type) {
                told.add(List.of((long) event.total(), event.end()));
              }
            });
    return told;
  }

  private long unseen() {
    return probes.counters().get("transfers_unseen") - unseenBefore;
  }

  @Test
  void whatWasSentUnseenIsInTheNextPosition() throws Exception {
    move(5);
    unseen(
        "on_sent",
        () -> {
          move(7);
          move(8);
        });
    move(3);
    assertThat(told(Layout.EVENT_SENT)).containsExactly(List.of(5L, 5L), List.of(3L, 23L));
    assertThat(unseen()).as("times that something was missing").isOne();
  }

  @Test
  void whatWasReceivedUnseenIsInTheNextPosition() throws Exception {
    move(5);
    unseen("on_received", () -> move(7));
    move(3);
    unseen("on_received", () -> move(2));
    move(1);
    assertThat(told(Layout.EVENT_RECEIVED))
        .containsExactly(List.of(5L, 5L), List.of(3L, 15L), List.of(1L, 18L));
    assertThat(unseen()).isEqualTo(2);
  }

  @Test
  void theFirstBytesAreMissedToo() throws Exception {
    unseen("on_sent", () -> move(7));
    move(3);
    assertThat(told(Layout.EVENT_SENT)).containsExactly(List.of(3L, 10L));
    assertThat(unseen()).isOne();
  }

  /** It may have come with what was sent last, and be read with it. */
  @Test
  void theEndOfAConnectionIsNothingMissed() throws Exception {
    for (int round = 0; round < 200; round++) {
      if (round > 0) {
        connect();
      }
      Socket sending = client;
      boolean half = round % 2 == 0;
      Thread sender =
          new Thread(
              () -> {
                try {
                  sending.getOutputStream().write(new byte[1000]);
                  sending.getOutputStream().write(new byte[1]);
                  if (half) {
                    sending.shutdownOutput();
                    assertThat(sending.getInputStream().read()).isOne();
                  }
                  sending.close();
                } catch (Exception e) {
                  throw new IllegalStateException(e);
                }
              });
      sender.start();
      InputStream in = accepted.getInputStream();
      if (round % 4 < 2) {
        sender.join(2); // so that all of it is there to be read at once
      }
      assertThat(in.readAllBytes()).hasSize(1001);
      if (half) {
        accepted.getOutputStream().write(1);
      }
      accepted.close();
      sender.join();
      told(0);
    }
    assertThat(unseen()).isZero();
  }

  /** Its positions begin where it is found. */
  @Test
  void aConnectionOpenBeforeTheProgramsMissesNothing() throws Exception {
    move(1234);
    probes.close();
    probes = TestProbes.open();
    unseenBefore = 0;
    move(5);
    move(6);
    assertThat(told(Layout.EVENT_SENT)).containsExactly(List.of(5L, 5L), List.of(6L, 11L));
    assertThat(unseen()).isZero();
  }
}
