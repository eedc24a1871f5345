package dev.underspan.host;

import dev.underspan.abi.SocketEvent;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.Consumer;

/**
 * Reads a BPF ring buffer straight from its mapped pages. One thread at a time.
 *
 * <p>Layout (kernel/bpf/ringbuf.c): a page with the consumer's position, a page with the
 * producer's, then the data, mapped twice so that no record wraps. A record's header of 8 bytes has
 * its length with bit 31 while it is being written and bit 30 when it is to be skipped.
 */
public final class RingReader {
  private static final int BUSY = 1 << 31;
  private static final int DISCARD = 1 << 30;
  private static final int HEADER = 8;
  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());
  private static final VarHandle INT =
      MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.nativeOrder());

  private final ByteBuffer consumer;
  private final ByteBuffer producer;
  private final int mask;
  private final SocketEvent view = new SocketEvent();
  private final PollSet records;

  RingReader(int fd, int size) throws ProbeException {
    records = new PollSet(1).add(fd, PollSet.POLLIN);
    consumer = Native.mmap(fd, Native.PAGE, 0, Native.PROT_READ | Native.PROT_WRITE);
    producer = Native.mmap(fd, Native.PAGE + 2L * size, Native.PAGE, Native.PROT_READ);
    mask = size - 1;
  }

  /**
   * Hands over every record that is complete.
   *
   * @return how many
   */
  public int drain(Consumer<SocketEvent> sink) {
    return drain(sink, Integer.MAX_VALUE);
  }

  /**
   * Hands over every record that is complete, or the first of them.
   *
   * @param limit how many at most
   * @return how many
   */
  public int drain(Consumer<SocketEvent> sink, int limit) {
    int count = 0;
    long position = (long) LONG.getVolatile(consumer, 0);
    long end = (long) LONG.getAcquire(producer, 0);
    while (position < end && count < limit) {
      int at = Native.PAGE + (int) (position & mask);
      int header = (int) INT.getAcquire(producer, at);
      if ((header & BUSY) != 0) {
        break;
      }
      int length = header & ~(BUSY | DISCARD);
      try {
        if ((header & DISCARD) == 0) {
          sink.accept(view.wrap(producer, at + HEADER));
          count++;
        }
      } finally {
        position += (length + HEADER + 7) & ~7;
        LONG.setRelease(consumer, 0, position);
      }
    }
    return count;
  }

  /** Up to where the ring has been read. */
  public long read() {
    return (long) LONG.getVolatile(consumer, 0);
  }

  /** Up to where it has been written, records that are being written included. */
  public long written() {
    return (long) LONG.getAcquire(producer, 0);
  }

  /**
   * Waits until there is a record that nobody has read. Whoever writes one must be told to wake the
   * caller, before this is called.
   *
   * @param millis for how long at most
   * @return false if nothing was waited for: there was one already, which may be still in the
   *     writing, or a signal came
   */
  boolean await(long millis) {
    return written() == read() && records.await(millis) >= 0;
  }
}
