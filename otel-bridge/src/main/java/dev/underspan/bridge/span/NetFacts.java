package dev.underspan.bridge.span;

import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.ConnectionInfo;
import io.opentelemetry.api.trace.Span;

/**
 * What the kernel saw of the calls that a client span stands for. Of several calls, the figures are
 * sums, but for the round trip time, which is the last one's. Thread-safe.
 */
public final class NetFacts {
  private long bytesOut;
  private long bytesIn;
  private long retransmits;
  private long rttNs;
  private long connect;
  private long firstByte;

  /** Nothing yet. */
  public NetFacts() {}

  /** Whether there is nothing known yet. */
  public synchronized boolean isEmpty() {
    return bytesOut == 0;
  }

  /** Bytes were sent. */
  public synchronized void sent(long bytes, int rttMicros) {
    bytesOut += bytes;
    rttNs = rttMicros * 1000L;
  }

  /** Bytes were received. */
  public synchronized void received(long bytes, int rttMicros) {
    bytesIn += bytes;
    rttNs = rttMicros * 1000L;
  }

  /** So long it took from a send to its answer's first byte, nanoseconds. */
  public synchronized void waited(long ns) {
    firstByte += Math.max(0, ns);
  }

  /** So long it took to connect, nanoseconds. */
  public synchronized void connected(long ns) {
    connect += Math.max(0, ns);
  }

  /** Segments were sent again. */
  public synchronized void retransmitted(long segments) {
    retransmits += Math.max(0, segments);
  }

  /** A whole call, as a parser found it. */
  public synchronized void add(ClientCall call) {
    sent(call.bytesOut(), call.rttMicrosEnd());
    received(call.bytesIn(), call.rttMicrosEnd());
    retransmitted((long) call.retransmitsEnd() - call.retransmitsBegin());
    if (call.firstByteNs() > 0) {
      waited(call.firstByteNs() - call.requestEndNs());
    }
    ConnectionInfo connection = call.connection();
    if (call.firstOnConnection() && connection.connectStartNs() > 0) {
      connected(connection.connectedNs() - connection.connectStartNs());
    }
  }

  /** Sets what is not zero. */
  public synchronized void writeTo(Span span) {
    Keys.set(span, Keys.TCP_RTT, rttNs);
    Keys.set(span, Keys.TCP_RETRANSMITS, retransmits);
    Keys.set(span, Keys.NET_BYTES_OUT, bytesOut);
    Keys.set(span, Keys.NET_BYTES_IN, bytesIn);
    Keys.set(span, Keys.NET_FIRST_BYTE, firstByte);
    Keys.set(span, Keys.NET_CONNECT, connect);
  }
}
