package java.lang;

import java.nio.ByteBuffer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLSocket;

/**
 * What the agent does when advice on TLS calls: on the application's threads, maybe under its
 * locks, so no method may wait. Buffers stay as they are, and are not kept.
 */
public interface UnderspanTlsRuntime {
  /** What is kept with an engine that is about to wrap; null if nothing is. */
  Object wrapping(SSLEngine engine, ByteBuffer[] sources, int offset, int length);

  /** The engine has wrapped; kept comes from {@link #wrapping}. */
  void wrapped(
      Object kept,
      SSLEngine engine,
      ByteBuffer[] sources,
      int offset,
      int length,
      ByteBuffer target,
      SSLEngineResult result);

  /** What is kept with an engine that is about to unwrap; null if nothing is. */
  Object unwrapping(
      SSLEngine engine, ByteBuffer source, ByteBuffer[] targets, int offset, int length);

  /** The engine has unwrapped; kept comes from {@link #unwrapping}. */
  void unwrapped(
      Object kept,
      SSLEngine engine,
      ByteBuffer[] targets,
      int offset,
      int length,
      SSLEngineResult result);

  /** An engine failed. */
  void engineFailed(Object kept, SSLEngine engine, Throwable error);

  /** What is to be kept with a stream between a TLS socket and the network; null if nothing is. */
  Object stream(boolean output);

  /** Plaintext is about to be written as records, to the stream that has this. */
  void delivering(Object kept, byte[] source, int offset, int length);

  /** It has been. */
  void delivered(Object kept);

  /** Records are about to be written to the network. */
  void writing(Object kept, byte[] data, int offset, int length);

  /** Ciphertext was read from the network. */
  void read(Object kept, byte[] data, int offset, int length);

  /** Ciphertext was passed over. */
  void skipped(Object kept, long length);

  /** Plaintext, up to the buffer's position, of the record that this thread read last. */
  void opened(SSLSocket socket, ByteBuffer plaintext);

  /** A socket's handshake begins on this thread, unless it is done. */
  void handshaking(SSLSocket socket);

  /** It is over; error is null if it succeeded. */
  void handshaken(SSLSocket socket, Throwable error);
}
