package java.lang;

import java.io.IOException;
import java.io.InputStream;

/** What a TLS socket reads from the network; tells what went by. */
final class UnderspanTlsInput extends InputStream {
  private final InputStream network;
  private final Object kept;

  UnderspanTlsInput(InputStream network, Object kept) {
    this.network = network;
    this.kept = kept;
  }

  @Override
  public int read() throws IOException {
    int b = network.read();
    if (b >= 0) {
      tell(new byte[] {(byte) b}, 0, 1);
    }
    return b;
  }

  @Override
  public int read(byte[] into, int offset, int length) throws IOException {
    int n = network.read(into, offset, length);
    if (n > 0) {
      tell(into, offset, n);
    }
    return n;
  }

  private void tell(byte[] data, int offset, int length) {
    UnderspanTlsRuntime r = UnderspanTls.runtime();
    if (r != null) {
      try {
        r.read(kept, data, offset, length);
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsRead", t);
      }
    }
  }

  @Override
  public long skip(long n) throws IOException {
    long skipped = network.skip(n);
    UnderspanTlsRuntime r = UnderspanTls.runtime();
    if (r != null) {
      try {
        r.skipped(kept, skipped);
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsSkipped", t);
      }
    }
    return skipped;
  }

  @Override
  public int available() throws IOException {
    return network.available();
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
