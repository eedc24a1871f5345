package dev.underspan.bridge.span;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;

/** Our own attribute names; times are nanoseconds. */
public final class Keys {

  /** How the span was measured. */
  public static final AttributeKey<String> LEVEL = AttributeKey.stringKey("underspan.level");

  /** From connection established to accept(). */
  public static final AttributeKey<Long> QUEUE_ACCEPT =
      AttributeKey.longKey("underspan.queue.accept");

  /** From the first byte in the socket to the read that took it. */
  public static final AttributeKey<Long> QUEUE_RECEIVE =
      AttributeKey.longKey("underspan.queue.receive");

  /** Round trip time. */
  public static final AttributeKey<Long> TCP_RTT = AttributeKey.longKey("underspan.tcp.rtt");

  /** Segments sent again. */
  public static final AttributeKey<Long> TCP_RETRANSMITS =
      AttributeKey.longKey("underspan.tcp.retransmits");

  /** Bytes received. */
  public static final AttributeKey<Long> NET_BYTES_IN =
      AttributeKey.longKey("underspan.net.bytes_in");

  /** Bytes sent. */
  public static final AttributeKey<Long> NET_BYTES_OUT =
      AttributeKey.longKey("underspan.net.bytes_out");

  /** From connect() to the connection. */
  public static final AttributeKey<Long> NET_CONNECT =
      AttributeKey.longKey("underspan.net.connect");

  /** The handshake of TLS. */
  public static final AttributeKey<Long> NET_TLS = AttributeKey.longKey("underspan.net.tls");

  /** From the request's last send to the answer's first byte. */
  public static final AttributeKey<Long> NET_FIRST_BYTE =
      AttributeKey.longKey("underspan.net.first_byte");

  private Keys() {}

  /** Sets a figure unless it is zero or was not measured. */
  public static void set(Span span, AttributeKey<Long> key, long value) {
    if (value > 0) {
      span.setAttribute(key, value);
    }
  }
}
