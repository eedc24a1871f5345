package dev.underspan.demo;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Traces made by hand, one a situation; times in microseconds from the trace's start. */
final class Traces {
  static final String ID = "4bf92f3577b34da6a3ce929d0e0e4736";
  private static final long EPOCH = 1_800_000_000_000_000_000L;

  private final List<Span> spans = new ArrayList<>();

  /** Adds a span; numbers are span ids, 0 is no parent; attributes as key, value, … */
  Traces span(
      int id,
      int parent,
      String service,
      Span.Kind kind,
      String name,
      long startMicros,
      long endMicros,
      Object... attributes) {
    return span(id, parent, service, kind, name, startMicros, endMicros, List.of(), attributes);
  }

  Traces span(
      int id,
      int parent,
      String service,
      Span.Kind kind,
      String name,
      long startMicros,
      long endMicros,
      List<Span.Event> events,
      Object... attributes) {
    Map<String, Object> map = new HashMap<>();
    for (int i = 0; i < attributes.length; i += 2) {
      String key = attributes[i].toString();
      boolean time = key.startsWith("time.") || key.startsWith("queue.") || key.equals("tcp.rtt");
      boolean ours = time || key.startsWith("tcp.") || key.startsWith("net.");
      Object value = attributes[i + 1];
      // Times in microseconds, as in the arguments, sent in nanoseconds.
      map.put(
          ours ? "underspan." + key : key,
          value instanceof Number number
              ? (Object) (number.longValue() * (time ? 1000 : 1))
              : value);
    }
    spans.add(
        new Span(
            ID,
            hex(id),
            parent == 0 ? "" : hex(parent),
            service,
            name,
            kind,
            EPOCH + startMicros * 1000,
            EPOCH + endMicros * 1000,
            map,
            events,
            List.of(),
            Span.Status.UNSET));
    return this;
  }

  static String hex(int id) {
    return String.format(Locale.ROOT, "%016x", id);
  }

  Trace trace() {
    return Trace.of(spans);
  }

  static Trace slowSql() {
    return new Traces()
        .span(
            1,
            0,
            "storefront",
            Span.Kind.SERVER,
            "GET /shop/products/{id}",
            0,
            331_000,
            "time.cpu",
            4_000,
            "time.network",
            326_400,
            "time.run_queue",
            600)
        .span(
            2,
            1,
            "storefront",
            Span.Kind.CLIENT,
            "GET",
            1_500,
            314_000,
            "time.cpu",
            500,
            "time.network",
            312_000,
            "tcp.rtt",
            40,
            "net.bytes_out",
            240,
            "net.bytes_in",
            1_230)
        .span(
            3,
            2,
            "inventory",
            Span.Kind.SERVER,
            "GET /stock/{id}",
            2_200,
            313_100,
            "time.idle",
            150,
            "queue.receive",
            150,
            "time.cpu",
            3_000,
            "time.network",
            304_750,
            "time.carrier",
            3_000)
        .span(
            4,
            3,
            "inventory",
            Span.Kind.CLIENT,
            "SELECT pg_sleep",
            8_000,
            309_000,
            "time.cpu",
            300,
            "time.network",
            300_700,
            "db.system.name",
            "postgresql",
            "tcp.rtt",
            31,
            "net.bytes_out",
            91,
            "net.bytes_in",
            66)
        .span(
            5,
            1,
            "storefront",
            Span.Kind.CLIENT,
            "GET",
            315_000,
            329_500,
            "time.cpu",
            400,
            "time.network",
            14_100)
        .span(
            6,
            5,
            "pricing",
            Span.Kind.SERVER,
            "GET /price/{id}",
            316_000,
            329_000,
            "time.cpu",
            12_600,
            "time.run_queue",
            400)
        .trace();
  }

  static Trace lock() {
    Span.Event blocked =
        new Span.Event(
            "underspan.blocked",
            EPOCH + 30_000_000,
            Map.of(
                "underspan.blocked.kind",
                "lock",
                "underspan.blocked.duration",
                480_000_000L,
                "code.stacktrace",
"""
java.base/jdk.internal.misc.Unsafe.park(Native Method)
at dev.shop.pricing.PriceTable.lookup(PriceTable.java:42)
"""));
    return new Traces()
        .span(
            1,
            0,
            "storefront",
            Span.Kind.SERVER,
            "GET /shop/products/{id}",
            0,
            500_000,
            "time.cpu",
            5_000,
            "time.network",
            495_000)
        .span(
            2,
            1,
            "storefront",
            Span.Kind.CLIENT,
            "GET",
            3_000,
            498_000,
            "time.cpu",
            500,
            "time.network",
            494_500)
        .span(
            3,
            2,
            "pricing",
            Span.Kind.SERVER,
            "GET /price/{id}",
            4_000,
            497_000,
            List.of(blocked),
            "time.cpu",
            10_000,
            "time.lock",
            300_000,
            "time.wait",
            180_000,
            "time.safepoint",
            3_000)
        .trace();
  }

  static Trace saturated() {
    return new Traces()
        .span(
            1,
            0,
            "storefront",
            Span.Kind.SERVER,
            "GET /shop/products/{id}",
            0,
            800_000,
            "time.cpu",
            5_000,
            "time.network",
            795_000)
        .span(
            2,
            1,
            "storefront",
            Span.Kind.CLIENT,
            "GET",
            3_000,
            798_000,
            "time.cpu",
            500,
            "time.network",
            794_500)
        .span(
            3,
            2,
            "pricing",
            Span.Kind.SERVER,
            "GET /price/{id}",
            4_000,
            797_000,
            "time.idle",
            612_000,
            "queue.receive",
            612_000,
            "time.sleep",
            150_000,
            "time.cpu",
            31_000)
        .trace();
  }

  static Trace normal() {
    return new Traces()
        .span(
            1,
            0,
            "storefront",
            Span.Kind.SERVER,
            "GET /shop/products/{id}",
            0,
            12_000,
            "time.cpu",
            8_520,
            "time.network",
            3_480)
        .span(
            2,
            1,
            "storefront",
            Span.Kind.CLIENT,
            "GET",
            5_000,
            8_500,
            "time.cpu",
            100,
            "time.network",
            3_400)
        .span(3, 2, "pricing", Span.Kind.SERVER, "GET /price/{id}", 5_500, 8_300, "time.cpu", 2_800)
        .trace();
  }

  /** Everything that a sender can do to a viewer. */
  static Trace awkward() {
    Traces traces =
        new Traces()
            .span(1, 0, "gateway", Span.Kind.SERVER, "POST /orders", 0, 100_000)
            .span(
                2,
                1,
                "gateway",
                Span.Kind.INTERNAL,
                "com.example.orders.internal.OrderServiceImpl.placeOrderWithRetriesAndTimeouts",
                1_000,
                99_000,
                "time.cpu",
                20_000,
                "time.other",
                3_000)
            .span(3, 1, "skewed", Span.Kind.SERVER, "clock behind", -20_000, 30_000)
            .span(
                4,
                1,
                "far-off",
                Span.Kind.SERVER,
                "clock by a day",
                86_400_000_000L,
                86_400_050_000L,
                "time.cpu",
                50_000)
            .span(5, 1, "backwards", Span.Kind.CLIENT, "ends early", 50_000, 40_000)
            .span(6, 77, "orphan", Span.Kind.SERVER, "parent lost \u001b[31m在庫", 60_000, 70_000)
            .span(
                7,
                2,
                "gateway",
                Span.Kind.SERVER,
                "late read",
                60_000,
                80_000,
                "time.cpu",
                20_000,
                "queue.receive",
                15_000,
                "tcp.retransmits",
                1);
    for (int i = 0; i < 39; i++) {
      traces.span(
          100 + i,
          2,
          "gateway",
          Span.Kind.CLIENT,
          "SET order",
          2_000 + i * 1_000L,
          2_900L + i * 1_010L,
          "time.network",
          900 + i * 10);
    }
    for (int i = 0; i < 30; i++) {
      traces.span(
          200 + i,
          i == 0 ? 1 : 199 + i,
          "deep",
          Span.Kind.INTERNAL,
          "level " + i,
          50_000L + i * 1_000L,
          99_000L - i * 500L,
          "time.cpu",
          49_000 - i * 1_500);
    }
    return traces.trace();
  }
}
