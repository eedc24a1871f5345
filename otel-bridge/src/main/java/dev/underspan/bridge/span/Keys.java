package dev.underspan.bridge.span;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;

/** Our own attribute names; times are nanoseconds. */
final class Keys {
  static final AttributeKey<String> LEVEL = AttributeKey.stringKey("underspan.level");
  static final AttributeKey<Long> QUEUE_ACCEPT = AttributeKey.longKey("underspan.queue.accept");
  static final AttributeKey<Long> QUEUE_RECEIVE = AttributeKey.longKey("underspan.queue.receive");
  static final AttributeKey<Long> TCP_RTT = AttributeKey.longKey("underspan.tcp.rtt");
  static final AttributeKey<Long> TCP_RETRANSMITS =
      AttributeKey.longKey("underspan.tcp.retransmits");
  static final AttributeKey<Long> NET_BYTES_IN = AttributeKey.longKey("underspan.net.bytes_in");
  static final AttributeKey<Long> NET_BYTES_OUT = AttributeKey.longKey("underspan.net.bytes_out");
  static final AttributeKey<Long> NET_CONNECT = AttributeKey.longKey("underspan.net.connect");
  static final AttributeKey<Long> NET_TLS = AttributeKey.longKey("underspan.net.tls");
  static final AttributeKey<Long> NET_FIRST_BYTE = AttributeKey.longKey("underspan.net.first_byte");

  private Keys() {}

  /** Sets a figure unless it is zero or was not measured. */
  static void set(Span span, AttributeKey<Long> key, long value) {
    if (value > 0) {
      span.setAttribute(key, value);
    }
  }
}
