package java.lang;

import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLSocket;

/** Entry points for advice on TLS; as in {@link Underspan}, nothing here throws. */
public final class UnderspanTls {
  private static volatile UnderspanTlsRuntime runtime;

  private UnderspanTls() {}

  /** Installs the runtime, or removes it with null. */
  public static void install(UnderspanTlsRuntime newRuntime) {
    runtime = newRuntime;
  }

  static UnderspanTlsRuntime runtime() {
    return runtime;
  }

  /** Before an engine wraps; the result goes to {@link #wrapped}. */
  public static Object wrapping(SSLEngine engine, ByteBuffer[] sources, int offset, int length) {
    UnderspanTlsRuntime r = runtime;
    if (r != null) {
      try {
        return r.wrapping(engine, sources, offset, length);
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsWrapping", t);
      }
    }
    return null;
  }

  /** After it has. */
  public static void wrapped(
      Object kept,
      SSLEngine engine,
      ByteBuffer[] sources,
      int offset,
      int length,
      ByteBuffer target,
      SSLEngineResult result,
      Throwable error) {
    UnderspanTlsRuntime r = runtime;
    if (r != null && kept != null) {
      try {
        if (error != null) {
          r.engineFailed(kept, engine, error);
        } else if (result != null) {
          r.wrapped(kept, engine, sources, offset, length, target, result);
        }
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsWrapped", t);
      }
    }
  }

  /** Before an engine unwraps; the result goes to {@link #unwrapped}. */
  public static Object unwrapping(
      SSLEngine engine, ByteBuffer source, ByteBuffer[] targets, int offset, int length) {
    UnderspanTlsRuntime r = runtime;
    if (r != null) {
      try {
        return r.unwrapping(engine, source, targets, offset, length);
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsUnwrapping", t);
      }
    }
    return null;
  }

  /** The first buffer that has something; null if none has. */
  public static ByteBuffer first(ByteBuffer[] buffers, int offset, int length) {
    if (buffers != null) {
      for (int i = Math.max(0, offset); i < buffers.length && i < offset + length; i++) {
        if (buffers[i] != null && buffers[i].hasRemaining()) {
          return buffers[i];
        }
      }
    }
    return null;
  }

  /** After it has. */
  public static void unwrapped(
      Object kept,
      SSLEngine engine,
      ByteBuffer[] targets,
      int offset,
      int length,
      SSLEngineResult result,
      Throwable error) {
    UnderspanTlsRuntime r = runtime;
    if (r != null && kept != null) {
      try {
        if (error != null) {
          r.engineFailed(kept, engine, error);
        } else if (result != null) {
          r.unwrapped(kept, engine, targets, offset, length, result);
        }
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsUnwrapped", t);
      }
    }
  }

  /** The stream that a TLS socket is to read from instead. */
  public static InputStream input(InputStream network) {
    UnderspanTlsRuntime r = runtime;
    if (r != null && network != null && !(network instanceof UnderspanTlsInput)) {
      try {
        Object kept = r.stream(false);
        return kept == null ? network : new UnderspanTlsInput(network, kept);
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsInput", t);
      }
    }
    return network;
  }

  /** The stream that a TLS socket is to write to instead. */
  public static OutputStream output(OutputStream network) {
    UnderspanTlsRuntime r = runtime;
    if (r != null && network != null && !(network instanceof UnderspanTlsOutput)) {
      try {
        Object kept = r.stream(true);
        return kept == null ? network : new UnderspanTlsOutput(network, kept);
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsOutput", t);
      }
    }
    return network;
  }

  /** Plaintext is about to be written to a stream as records. */
  public static void delivering(OutputStream network, byte[] source, int offset, int length) {
    UnderspanTlsRuntime r = runtime;
    if (r != null && network instanceof UnderspanTlsOutput output) {
      try {
        r.delivering(output.kept, source, offset, length);
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsDelivering", t);
      }
    }
  }

  /** It has been. */
  public static void delivered(OutputStream network) {
    UnderspanTlsRuntime r = runtime;
    if (r != null && network instanceof UnderspanTlsOutput output) {
      try {
        r.delivered(output.kept);
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsDelivered", t);
      }
    }
  }

  /** A TLS socket has made plaintext of a record. */
  public static void opened(SSLSocket socket, ByteBuffer plaintext) {
    UnderspanTlsRuntime r = runtime;
    if (r != null && plaintext != null) {
      try {
        r.opened(socket, plaintext);
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsOpened", t);
      }
    }
  }

  /** A TLS socket's handshake begins. */
  public static void handshaking(SSLSocket socket) {
    UnderspanTlsRuntime r = runtime;
    if (r != null) {
      try {
        r.handshaking(socket);
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsHandshaking", t);
      }
    }
  }

  /** A TLS socket's handshake is over. */
  public static void handshaken(SSLSocket socket, Throwable error) {
    UnderspanTlsRuntime r = runtime;
    if (r != null) {
      try {
        r.handshaken(socket, error);
      } catch (Throwable t) {
        Underspan.adviceFailed("tlsHandshaken", t);
      }
    }
  }
}
