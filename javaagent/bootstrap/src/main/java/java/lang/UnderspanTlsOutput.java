package java.lang;

import java.io.IOException;
import java.io.OutputStream;

/** What a TLS socket writes to the network; tells what is about to go by. */
final class UnderspanTlsOutput extends OutputStream {
  private final OutputStream network;
  final Object kept;

  UnderspanTlsOutput(OutputStream network, Object kept) {
    this.network = network;
    this.kept = kept;
  }

  @Override
  public void write(int b) throws IOException {
    tell(new byte[] {(byte) b}, 0, 1);
    network.write(b);
  }

  @Override
  public void write(byte[] data, int offset, int length) throws IOException {
    // Before it is written: who learns of the write must know what it is.
    tell(data, offset, length);
    network.write(data, offset, length);
  }

  private void tell(byte[] data, int offset, int length) {
    UnderspanTlsRuntime r = UnderspanTls.runtime();
    if (r != null) {
      try {
        r.writing(kept, data, offset, length);
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsWriting", t);
      }
    }
  }

  @Override
  public void flush() throws IOException {
    network.flush();
  }

  @Override
  public void close() throws IOException {
    network.close();
  }

  @Override
  public String toString() {
    return network.toString();
  }
}
