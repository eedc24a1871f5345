package dev.underspan.abi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

/** Records written field by field, in the order of struct socket_event. */
class SocketEventTest {
  private static final int OFFSET = 16;
  private static final int INET = 2;
  private static final int INET6 = 10;

  private static ByteBuffer record(
      int family, String local, String remote, int captured, int sizeClass, int tailSize) {
    ByteBuffer out = ByteBuffer.allocateDirect(1024).order(ByteOrder.nativeOrder());
    out.position(OFFSET);
    out.putShort((short) 2).putShort((short) sizeClass).putInt(4711).putLong(900);
    out.putLong(0xfedcba9876543210L).putLong(0x8000_000d_0000_000cL);
    out.putShort((short) family).putShort((short) 40001).putShort((short) 65535);
    out.putShort((short) 1);
    out.put(HexFormat.of().parseHex(local)).put(HexFormat.of().parseHex(remote));
    out.put(HexFormat.of().parseHex("4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7"));
    out.put(HexFormat.of().parseHex("0181000000000000"));
    out.putLong(100).putLong(200).putLong(300).putLong(400).putLong(500);
    out.putInt(600).putInt(7).putInt(5000).putInt(captured).putInt(tailSize);
    out.putInt(0);
    out.put("0123456789abcdef".getBytes(StandardCharsets.US_ASCII));
    for (int kind = 0; kind < 12; kind++) {
      out.putLong(kind * 11L);
    }
    assertThat(out.position()).isEqualTo(OFFSET + 280);
    out.position(out.position() + 32); // where it stands in HTTP/2's framing
    out.put("GET / HTTP/1.1\r\n".getBytes(StandardCharsets.US_ASCII));
    return out;
  }

  private static final String ZERO12 = "000000000000000000000000";

  private static SocketEvent ipv4() {
    ByteBuffer bytes = record(INET, "0a000001" + ZERO12, "c0a8ff02" + ZERO12, 16, 256, 16);
    return new SocketEvent().wrap(bytes, OFFSET);
  }

  @Test
  void everyGetter() {
    SocketEvent event = ipv4();
    assertThat(event.type()).isEqualTo(Layout.EVENT_RECEIVED);
    assertThat(event.tid()).isEqualTo(4711);
    assertThat(event.ns()).isEqualTo(900);
    assertThat(event.cookie()).isEqualTo(0xfedcba9876543210L);
    assertThat(event.localPort()).isEqualTo(40001);
    assertThat(event.remotePort()).isEqualTo(65535);
    assertThat(event.role()).isEqualTo(Layout.ROLE_CLIENT);
    assertThat(event.localAddress()).isEqualTo("10.0.0.1");
    assertThat(event.remoteAddress()).isEqualTo("192.168.255.2");
    assertThat(event.hasHead()).isTrue();
    assertThat(event.traceIdHigh()).isEqualTo(0x4bf92f3577b34da6L);
    assertThat(event.traceIdLow()).isEqualTo(0xa3ce929d0e0e4736L);
    assertThat(event.spanId()).isEqualTo(0x00f067aa0ba902b7L);
    assertThat(event.traceFlags()).isEqualTo((byte) 0x81);
    assertThat(event.beginNs()).isEqualTo(100);
    assertThat(event.connectNs()).isEqualTo(200);
    assertThat(event.establishedNs()).isEqualTo(300);
    assertThat(event.rttMicros()).isEqualTo(600);
    assertThat(event.retransmits()).isEqualTo(7);
    assertThat(event.total()).isEqualTo(5000);
    assertThat(event.captured()).isEqualTo(16);
    assertThat(event.thread()).isEqualTo(0x8000_000d_0000_000cL);
    assertThat(event.tail()).isEqualTo("0123456789abcdef".getBytes(StandardCharsets.US_ASCII));
    long[] account = new long[12];
    event.account(account);
    assertThat(account).containsExactly(0, 11, 22, 33, 44, 55, 66, 77, 88, 99, 110, 121);
    byte[] payload = new byte[20];
    event.payload(payload);
    assertThat(new String(payload, StandardCharsets.US_ASCII))
        .isEqualTo("GET / HTTP/1.1\r\n\0\0\0\0");
  }

  @Test
  void noHead() {
    ByteBuffer bytes = record(INET, "0a000001" + ZERO12, "0a000002" + ZERO12, 16, 256, 0);
    bytes.put(OFFSET + 72 + 24, (byte) 0);
    SocketEvent event = new SocketEvent().wrap(bytes, OFFSET);
    assertThat(event.hasHead()).isFalse();
    assertThat(event.tail()).isEmpty();
  }

  @Test
  void sizesAreBoundedByTheRecord() {
    ByteBuffer bytes = record(INET, "0a000001" + ZERO12, "0a000002" + ZERO12, 9999, 8, 77);
    SocketEvent event = new SocketEvent().wrap(bytes, OFFSET);
    assertThat(event.captured()).isEqualTo(8);
    assertThat(event.tail()).hasSize(16);
  }

  @Test
  void ipv6() {
    SocketEvent event =
        new SocketEvent()
            .wrap(
                record(
                    INET6,
                    "20010db8000000000000000000000001",
                    "fe80000000000000021122fffe334455",
                    0,
                    256,
                    0),
                OFFSET);
    assertThat(event.localAddress()).isEqualTo("2001:db8:0:0:0:0:0:1");
    assertThat(event.remoteAddress()).isEqualTo("fe80:0:0:0:211:22ff:fe33:4455");
  }

  @Test
  void mappedIpv4() {
    SocketEvent event =
        new SocketEvent()
            .wrap(
                record(
                    INET6,
                    "00000000000000000000ffff0a000001",
                    "00000000000000000000ffffc0a8ff02",
                    0,
                    256,
                    0),
                OFFSET);
    assertThat(event.localAddress()).isEqualTo("10.0.0.1");
    assertThat(event.remoteAddress()).isEqualTo("192.168.255.2");
  }

  @Test
  void refusesTheOtherByteOrder() {
    ByteOrder other =
        ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN
            ? ByteOrder.BIG_ENDIAN
            : ByteOrder.LITTLE_ENDIAN;
    ByteBuffer bytes = ByteBuffer.allocate(512).order(other);
    assertThatThrownBy(() -> new SocketEvent().wrap(bytes, 0))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
