package dev.underspan.demo;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class VerdictTest {
  @Test
  void slowSql() {
    assertThat(Verdict.of(Traces.slowSql()).sentence())
        .isEqualTo("inventory waited 301 ms in PostgreSQL (SELECT pg_sleep), 91 % of 331 ms");
  }

  @Test
  void lock() {
    assertThat(Verdict.of(Traces.lock()).sentence())
        .isEqualTo(
            "pricing was blocked 480 ms on locks and other threads"
                + " (at PriceTable.lookup:42), 96 % of 500 ms");
  }

  @Test
  void saturated() {
    Verdict verdict = Verdict.of(Traces.saturated());
    assertThat(verdict.sentence())
        .isEqualTo(
            "pricing: the request lay 612 ms in the socket before a thread read it, 77 % of 800 ms");
    assertThat(verdict.kind()).isEqualTo(TimeKind.QUEUE);
    assertThat(verdict.nanos()).isEqualTo(612_000_000);
  }

  @Test
  void normal() {
    assertThat(Verdict.of(Traces.normal()).sentence())
        .isEqualTo("storefront spent 71 % of 12 ms on a CPU");
  }

  @Test
  void aQueueBeforeTheServerSpanBelongsToTheServer() {
    Trace trace =
        new Traces()
            .span(1, 0, "a", Span.Kind.CLIENT, "GET", 0, 100_000, "time.network", 100_000)
            .span(
                2,
                1,
                "b",
                Span.Kind.SERVER,
                "GET /",
                80_000,
                99_000,
                "time.cpu",
                19_000,
                "queue.receive",
                78_000)
            .trace();
    assertThat(Verdict.of(trace).sentence())
        .isEqualTo(
            "b: the request lay 78 ms in the socket before a thread read it, 78 % of 100 ms");
  }

  @Test
  void timeBetweenClientAndServerIsTheNetwork() {
    Trace trace =
        new Traces()
            .span(1, 0, "a", Span.Kind.CLIENT, "GET", 0, 100_000, "time.network", 100_000)
            .span(2, 1, "b", Span.Kind.SERVER, "GET /", 80_000, 99_000, "time.cpu", 19_000)
            .trace();
    assertThat(Verdict.of(trace).sentence())
        .isEqualTo("a waited 81 ms on the way to the server and back (GET), 81 % of 100 ms");
  }

  @Test
  void aClientSpanWithoutAccountStillNamesItsPeer() {
    Trace trace =
        new Traces()
            .span(1, 0, "a", Span.Kind.SERVER, "GET /", 0, 100_000)
            .span(
                2,
                1,
                "a",
                Span.Kind.CLIENT,
                "GET",
                10_000,
                90_000,
                "server.address",
                "payments.example",
                "server.port",
                443)
            .trace();
    assertThat(Verdict.of(trace).sentence())
        .isEqualTo("a waited 80 ms in payments.example:443 (GET), 80 % of 100 ms");
  }

  @Test
  void workOfAnotherThreadIsNotChargedTwice() {
    Trace trace =
        new Traces()
            .span(
                1,
                0,
                "a",
                Span.Kind.SERVER,
                "GET /",
                0,
                100_000,
                "time.cpu",
                10_000,
                "time.wait",
                90_000)
            .span(2, 1, "a", Span.Kind.INTERNAL, "job", 5_000, 95_000, "time.cpu", 90_000)
            .trace();
    assertThat(Verdict.of(trace).sentence()).isEqualTo("a spent 100 % of 100 ms on a CPU");
  }

  @Test
  void anythingGetsASentence() {
    assertThat(Verdict.of(Traces.awkward()).sentence()).isNotEmpty();
    Trace empty = new Traces().span(1, 0, "a", Span.Kind.SERVER, "b", 0, 0).trace();
    assertThat(Verdict.of(empty).sentence()).isEqualTo("a: the trace has no time to speak of");
  }
}
