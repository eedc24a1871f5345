package dev.underspan.matrix;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;

/** OpenSSL by java.lang.foreign; for JDK 22 and later, compiled by the test. */
public final class FfmLibssl implements NativeTlsApp.Client {
  private final SymbolLookup libssl = lookup();
  private final SymbolLookup libc = Linker.nativeLinker().defaultLookup();
  private final MethodHandle write = function(libssl, "SSL_write", JAVA_INT, ADDRESS, ADDRESS, JAVA_INT);
  private final MethodHandle read = function(libssl, "SSL_read", JAVA_INT, ADDRESS, ADDRESS, JAVA_INT);
  private final MethodHandle writeEx =
      function(libssl, "SSL_write_ex", JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS);
  private final MethodHandle readEx =
      function(libssl, "SSL_read_ex", JAVA_INT, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS);

  private static SymbolLookup lookup() {
    try {
      return SymbolLookup.libraryLookup("libssl.so.3", Arena.global());
    } catch (IllegalArgumentException e) {
      return SymbolLookup.libraryLookup("libssl.so.1.1", Arena.global());
    }
  }

  private static MethodHandle function(
      SymbolLookup library, String name, MemoryLayout result, MemoryLayout... arguments) {
    return Linker.nativeLinker()
        .downcallHandle(library.find(name).orElseThrow(), FunctionDescriptor.of(result, arguments));
  }

  private static Exception failed(Throwable t) {
    return t instanceof Exception e ? e : new Exception(t);
  }

  @Override
  public long open(int port, String name, boolean verify) throws Exception {
    try (Arena arena = Arena.ofConfined()) {
      int fd = (int) function(libc, "socket", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT).invoke(2, 1, 0);
      MemorySegment address = arena.allocate(16);
      address.set(JAVA_BYTE, 0, (byte) 2);
      address.set(JAVA_BYTE, 2, (byte) (port >> 8));
      address.set(JAVA_BYTE, 3, (byte) port);
      address.set(JAVA_BYTE, 4, (byte) 127);
      address.set(JAVA_BYTE, 7, (byte) 1);
      int connected =
          (int) function(libc, "connect", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT).invoke(fd, address, 16);
      MemorySegment method = (MemorySegment) function(libssl, "TLS_client_method", ADDRESS).invoke();
      MemorySegment context =
          (MemorySegment) function(libssl, "SSL_CTX_new", ADDRESS, ADDRESS).invoke(method);
      MemorySegment session =
          (MemorySegment) function(libssl, "SSL_new", ADDRESS, ADDRESS).invoke(context);
      int set = (int) function(libssl, "SSL_set_fd", JAVA_INT, ADDRESS, JAVA_INT).invoke(session, fd);
      long named =
          (long)
              function(libssl, "SSL_ctrl", JAVA_LONG, ADDRESS, JAVA_INT, JAVA_LONG, ADDRESS)
                  .invoke(session, 55, 0L, arena.allocateFrom(name));
      if (verify) {
        FunctionDescriptor setVerify = FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT, ADDRESS);
        Linker.nativeLinker()
            .downcallHandle(libssl.find("SSL_set_verify").orElseThrow(), setVerify)
            .invoke(session, 1, MemorySegment.NULL);
      }
      int done = (int) function(libssl, "SSL_connect", JAVA_INT, ADDRESS).invoke(session);
      if (connected != 0 || set != 1 || named != 1 || done != 1) {
        throw new java.io.IOException("no connection: " + connected + set + named + done);
      }
      return session.address();
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  @Override
  public int write(long session, byte[] bytes, boolean newer) throws Exception {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocateFrom(JAVA_BYTE, bytes);
      MemorySegment ssl = MemorySegment.ofAddress(session);
      MemorySegment moved = arena.allocate(JAVA_LONG);
      if (!newer) {
        return (int) write.invoke(ssl, buffer, bytes.length);
      }
      int result = (int) writeEx.invoke(ssl, buffer, (long) bytes.length, moved);
      return result == 1 ? (int) moved.get(JAVA_LONG, 0) : -1;
    } catch (Throwable t) {
      throw failed(t);
    }
  }

  @Override
  public int read(long session, byte[] into, boolean newer) throws Exception {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(into.length);
      MemorySegment ssl = MemorySegment.ofAddress(session);
      MemorySegment moved = arena.allocate(JAVA_LONG);
      int n;
      if (newer) {
        int result = (int) readEx.invoke(ssl, buffer, (long) into.length, moved);
        n = result == 1 ? (int) moved.get(JAVA_LONG, 0) : -1;
      } else {
        n = (int) read.invoke(ssl, buffer, into.length);
      }
      if (n > 0) {
        MemorySegment.copy(buffer, JAVA_BYTE, 0, into, 0, n);
      }
      return n;
    } catch (Throwable t) {
      throw failed(t);
    }
  }
}
