package dev.underspan.benchmarks;

import dev.underspan.abi.Layout;
import dev.underspan.abi.SocketEvent;
import dev.underspan.bridge.correlate.SocketEvents;
import dev.underspan.bridge.enrich.ClientOwners;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.WireCounters;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * From two records of the ring buffer to a finished call, by the thread that reads events; not in
 * it: the making of a span. The project set no target; the guide is 5 µs a call, for at that 10 000
 * calls a second take 5 % of one processor.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Thread)
public class WireBenchmark {
  private static final String HTTP_REQUEST =
      """
      GET /price/17?currency=EUR HTTP/1.1
      Connection: Upgrade, HTTP2-Settings
      Content-Length: 0
      Host: localhost:8083
      HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA
      Upgrade: h2c
      User-Agent: Java-http-client/17.0.15
      traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01

      """
          .replace("\n", "\r\n");
  private static final String BODY = "{\"product\":17,\"price\":\"129.90\",\"n\":1}";
  private static final String HTTP_RESPONSE =
      """
      HTTP/1.1 200 OK
      Date: Sat, 25 Nov 2028 10:00:00 GMT
      Content-type: application/json
      Content-length: %d

      """
              .formatted(BODY.length())
              .replace("\n", "\r\n")
          + BODY;
  private static final String SQL =
      "SELECT units, place FROM stock WHERE product = $1 AND units > 0";

  private final SocketEvent view = new SocketEvent();
  private final Records records = new Records();
  private long calls;
  private ClientCall latest;
  private final SocketEvents events =
      new SocketEvents(
          call -> {
            latest = call;
            calls++;
          },
          new ClientOwners(),
          new WireCounters());

  private int httpSent;
  private int httpReceived;
  private int pgSent;
  private int pgReceived;

  /** Records as the kernel writes them. */
  @Setup
  public void record() {
    httpSent = records.add(Layout.EVENT_SENT, 1, 8083, HTTP_REQUEST);
    httpReceived = records.add(Layout.EVENT_RECEIVED, 1, 8083, HTTP_RESPONSE);
    String parameters = "user\0shop\0database\0shop\0client_encoding\0UTF8\0\0";
    take(records.add(Layout.EVENT_SENT, 2, 5432, length(parameters, 8) + "\0\3\0\0" + parameters));
    take(
        records.add(
            Layout.EVENT_RECEIVED,
            2,
            5432,
            pg('R', "\0\0\0\0") + pg('S', "server_version\00017.2\0") + pg('Z', "I")));
    // What pgjdbc sends for one statement with a parameter, and the answer: a row of two columns.
    pgSent =
        records.add(
            Layout.EVENT_SENT,
            2,
            5432,
            pg('P', "\0" + SQL + "\0\0\1\0\0\0\27")
                + pg('B', "\0\0\0\1\0\1\0\1\0\0\0\4\0\0\0\21\0\0")
                + pg('D', "P\0")
                + pg('E', "\0\0\0\0\0")
                + pg('S', ""));
    pgReceived =
        records.add(
            Layout.EVENT_RECEIVED,
            2,
            5432,
            pg('1', "")
                + pg('2', "")
                + pg('T', "\0\2units\0" + "\0".repeat(18) + "place\0" + "\0".repeat(18))
                + pg('D', "\0\2" + "\0\0\0\2" + "37" + "\0\0\0\3" + "A-7")
                + pg('C', "SELECT 1\0")
                + pg('Z', "I"));
    check(http().complete() && calls == 1, "HTTP");
    check(postgresql().complete() && calls == 2, "PostgreSQL");
    check(latest.details() instanceof ClientCall.Sql sql && sql.text().equals(SQL), "SQL");
  }

  private static void check(boolean holds, String what) {
    if (!holds) {
      throw new IllegalStateException("not read as it should be: " + what);
    }
  }

  private static String length(String body, int more) {
    int n = body.length() + more;
    return "" + (char) (n >> 24) + (char) (n >> 16) + (char) (n >> 8 & 0xff) + (char) (n & 0xff);
  }

  /** A typed message, one char a byte. */
  private static String pg(char type, String body) {
    return type + length(body, 4) + body;
  }

  private void take(int record) {
    events.accept(view.wrap(records.buffer(), record));
  }

  /** As java.net.http asks and the JDK's HttpServer answers. Guide: at most 5 µs a call. */
  @Benchmark
  public ClientCall http() {
    take(httpSent);
    take(httpReceived);
    return latest;
  }

  /** Parse, Bind, Describe, Execute, Sync as pgjdbc sends them. Guide: at most 5 µs a call. */
  @Benchmark
  public ClientCall postgresql() {
    take(pgSent);
    take(pgReceived);
    return latest;
  }

  /** One char a byte. */
  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }
}
