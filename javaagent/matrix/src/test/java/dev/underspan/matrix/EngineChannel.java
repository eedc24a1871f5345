package dev.underspan.matrix;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;

/**
 * The server's side of TLS by an engine on a blocking channel, as somebody may write it himself.
 */
final class EngineChannel implements AutoCloseable {
  private final SocketChannel channel;
  private final SSLEngine engine;
  private final ByteBuffer ciphertextIn;
  private final ByteBuffer ciphertextOut;
  private final ByteBuffer plaintext;

  EngineChannel(SocketChannel channel, SSLContext tls) {
    this.channel = channel;
    this.engine = tls.createSSLEngine();
    engine.setUseClientMode(false);
    int packet = engine.getSession().getPacketBufferSize();
    ciphertextIn = ByteBuffer.allocateDirect(packet).limit(0);
    ciphertextOut = ByteBuffer.allocateDirect(packet);
    plaintext = ByteBuffer.allocate(engine.getSession().getApplicationBufferSize()).limit(0);
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }

  /** One step that reads; false at the end. */
  private boolean read() throws IOException {
    while (true) {
      switch (engine.getHandshakeStatus()) {
        case NEED_TASK -> engine.getDelegatedTask().run();
        case NEED_WRAP -> write(ByteBuffer.allocate(0));
        default -> {
          plaintext.clear();
          SSLEngineResult result = engine.unwrap(ciphertextIn, plaintext);
          plaintext.flip();
          if (result.getStatus() == SSLEngineResult.Status.CLOSED) {
            return false;
          }
          if (plaintext.hasRemaining()) {
            return true;
          }
          if (result.getStatus() == SSLEngineResult.Status.BUFFER_UNDERFLOW) {
            ciphertextIn.compact();
            int n = channel.read(ciphertextIn);
            ciphertextIn.flip();
            if (n < 0) {
              return false;
            }
          }
        }
      }
    }
  }

  private void write(ByteBuffer from) throws IOException {
    do {
      ciphertextOut.clear();
      SSLEngineResult result = engine.wrap(from, ciphertextOut);
      if (result.getStatus() == SSLEngineResult.Status.CLOSED) {
        throw new EOFException();
      }
      ciphertextOut.flip();
      while (ciphertextOut.hasRemaining()) {
        channel.write(ciphertextOut);
      }
    } while (from.hasRemaining());
  }

  InputStream in() {
    return new InputStream() {
      @Override
      public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
      }

      @Override
      public int read(byte[] into, int offset, int length) throws IOException {
        if (!plaintext.hasRemaining() && !EngineChannel.this.read()) {
          return -1;
        }
        int n = Math.min(length, plaintext.remaining());
        plaintext.get(into, offset, n);
        return n;
      }
    };
  }

  OutputStream out() {
    return new OutputStream() {
      @Override
      public void write(int b) throws IOException {
        write(new byte[] {(byte) b}, 0, 1);
      }

      @Override
      public void write(byte[] data, int offset, int length) throws IOException {
        EngineChannel.this.write(ByteBuffer.wrap(data, offset, length));
      }
    };
  }
}
