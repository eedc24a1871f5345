package dev.underspan.runtime.doctor;

import dev.underspan.host.Finding;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/** Whether a sidecar is here. */
final class SidecarFacts {
  private SidecarFacts() {}

  static Report.Sidecar look(Path socket) {
    if (!Files.exists(socket)) {
      return new Report.Sidecar(
          socket.toString(), Finding.no("no such file"), Finding.no("no such file"));
    }
    Finding answers;
    try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      channel.connect(UnixDomainSocketAddress.of(socket));
      answers = Finding.yes();
    } catch (IOException | RuntimeException e) {
      answers = Finding.no("cannot connect: " + e.getMessage());
    }
    return new Report.Sidecar(socket.toString(), Finding.yes(), answers);
  }
}
