package dev.underspan.host;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Memory of this process, read through /proc/self/mem: an address that is not mapped is an
 * IOException, where a load would end the JVM.
 */
final class OwnMemory implements AutoCloseable {
  private static final int MAX_STRING = 256;

  private final FileChannel memory;

  OwnMemory() throws IOException {
    memory = FileChannel.open(Path.of("/proc/self/mem"));
  }

  ByteBuffer bytes(long address, int count) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(count).order(ByteOrder.nativeOrder());
    read(address, bytes);
    if (bytes.hasRemaining()) {
      throw new EOFException("memory ends at " + Long.toHexString(address + bytes.position()));
    }
    return bytes.flip();
  }

  private void read(long address, ByteBuffer into) throws IOException {
    if (address <= 0) {
      throw new IOException("no memory at " + Long.toHexString(address));
    }
    int count = 0;
    while (into.hasRemaining() && count >= 0) {
      count = memory.read(into, address + into.position());
    }
  }

  long getLong(long address) throws IOException {
    return bytes(address, Long.BYTES).getLong(0);
  }

  /** A C string, its first 256 bytes; empty for NULL. */
  String getString(long address) throws IOException {
    if (address == 0) {
      return "";
    }
    ByteBuffer text = ByteBuffer.allocate(MAX_STRING);
    read(address, text);
    int length = 0;
    while (length < text.position() && text.get(length) != 0) {
      length++;
    }
    return new String(text.array(), 0, length, StandardCharsets.UTF_8);
  }

  @Override
  public void close() throws IOException {
    memory.close();
  }
}
