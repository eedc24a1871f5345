package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.abi.Layout;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;

/** What is under way while the programs come. Needs root and fails without. */
@NullUnmarked
class OpeningTest {
  private static Thread answering(Socket socket) {
    return new Thread(
        () -> {
          try (socket) {
            for (int got = 0; got >= 0; got = socket.getInputStream().read()) {
              socket.getOutputStream().write(got);
            }
          } catch (Exception e) {
            // The other side has closed.
          }
        });
  }

  /** Two that talk without pause: whose question is seen, of them the answer is seen, too. */
  @Test
  void aConversationIsSeenFromOneMomentOn() throws Exception {
    TestProbes.needSockets();
    for (int round = 0; round < 5; round++) {
      try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
          Socket client = new Socket(server.getInetAddress(), server.getLocalPort())) {
        client.setTcpNoDelay(true);
        Socket accepted = server.accept();
        accepted.setTcpNoDelay(true);
        List<Thread> threads = List.of(answering(client), answering(accepted));
        threads.forEach(Thread::start);
        Map<Long, List<Integer>> seen = new HashMap<>();
        try (KernelProbes probes = TestProbes.open()) {
          client.shutdownOutput();
          for (Thread thread : threads) {
            thread.join();
          }
          probes
              .events()
              .drain(
                  event -> {
                    if (event.type() != Layout.EVENT_CLOSED
                        && (event.localPort() == server.getLocalPort()
                            || event.remotePort() == server.getLocalPort())) {
                      seen.computeIfAbsent(event.cookie(), cookie -> new ArrayList<>())
                          .add(event.type());
                    }
                  });
        }
        assertThat(seen).as("sides of the connection").hasSize(2);
        for (List<Integer> types : seen.values()) {
          assertThat(types).hasSizeGreaterThan(50);
          for (int i = 1; i < types.size(); i++) {
            assertThat(types.get(i)).as("event %d of %s", i, types).isNotEqualTo(types.get(i - 1));
          }
        }
      }
    }
  }
}
