package dev.underspan.instrument;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import java.util.List;
import net.bytebuddy.asm.Advice;

/** Connections taken out of the accept queue. The ports are known to the JDK: no system call. */
final class AcceptInstrumentation {
  static final List<Hook> HOOKS =
      List.of(
          Hook.of("sun.nio.ch.ServerSocketChannelImpl", "finishAccept", null, OfChannel.class),
          Hook.of("java.net.ServerSocket", "implAccept", "(Ljava/net/Socket;)V", OfSocket.class));

  private AcceptInstrumentation() {}

  static final class OfChannel {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(@Advice.Return SocketChannel channel) throws IOException {
      if (channel != null
          && channel.getRemoteAddress() instanceof InetSocketAddress remote
          && channel.getLocalAddress() instanceof InetSocketAddress local) {
        Underspan.accepted(local.getPort(), remote.getPort());
      }
    }
  }

  static final class OfSocket {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(@Advice.Argument(0) Socket socket) {
      Underspan.accepted(socket.getLocalPort(), socket.getPort());
    }
  }
}
