package dev.underspan.instrument;

import java.net.InetAddress;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.util.List;
import net.bytebuddy.asm.Advice;

/**
 * Reads from sockets, for servers that no other advice knows. All of them come here, so what does
 * not begin like an HTTP request is let go after a look at four bytes.
 */
final class SocketServerInstrumentation {
  static final List<Hook> HOOKS =
      List.of(
          Hook.of("sun.nio.ch.NioSocketImpl", "implRead", "([BII", OfStream.class),
          Hook.of(
              "sun.nio.ch.SocketChannelImpl", "read", "(Ljava/nio/ByteBuffer;)", OfChannel.class));

  private SocketServerInstrumentation() {}

  static final class OfStream {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(
        @Advice.Argument(0) byte[] data,
        @Advice.Argument(1) int offset,
        @Advice.Return int length,
        @Advice.FieldValue("localport") int localPort,
        @Advice.FieldValue("address") InetAddress remote,
        @Advice.FieldValue("port") int remotePort) {
      Underspan.streamRead(data, offset, length, localPort, remote, remotePort);
    }
  }

  static final class OfChannel {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(
        @Advice.Argument(0) ByteBuffer buffer,
        @Advice.Return int length,
        @Advice.FieldValue("localAddress") SocketAddress local,
        @Advice.FieldValue("remoteAddress") SocketAddress remote) {
      Underspan.channelRead(buffer, length, local, remote);
    }
  }
}
