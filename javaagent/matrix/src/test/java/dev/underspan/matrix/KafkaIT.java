package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.Budget;
import dev.underspan.Jdks;
import dev.underspan.bridge.wire.KafkaBroker;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.Trace;
import dev.underspan.demo.TraceStore;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Kafka's clients and a real broker, under the real jar, with many requests at once: a request's
 * record is a span under it, its processing one under that, and what either does is under them.
 * That is told by the number that the record carries. Root.
 */
class KafkaIT {
  private static final int REQUESTS = 307; // prime
  private static final int AT_ONCE = 100;
  private static final Duration QUIET = Duration.ofMillis(1500);

  private static final String VERSION = System.getProperty("underspan.matrix.kafka", "");

  private static final Matrix MATRIX =
      new Matrix(
          "kafka",
          List.of("Kafka", "Version", "Server"),
          Stream.of(Row.values()).map(row -> List.of(row.label, VERSION, "Kafka")).toList());

  private enum Row {
    PRODUCER("Producer"),
    CALLBACK("Producer's callback"),
    ALL("Consumer, all records"),
    BY_PARTITION("Consumer, records by partition"),
    BY_TOPIC("Consumer of KIP-848, records by topic");

    final String label;

    Row(String label) {
      this.label = label;
    }

    static Row consumer(int id) {
      return List.of(ALL, BY_PARTITION, BY_TOPIC).get(id % KafkaApp.TOPICS.size());
    }
  }

  @TempDir static Path brokerDirectory;
  @TempDir Path directory;

  private static KafkaBroker broker;

  @BeforeAll
  static void start() throws IOException {
    broker = new KafkaBroker(brokerDirectory);
  }

  @AfterAll
  static void compareWithDocs() throws IOException {
    broker.close();
    MATRIX.compareWithDocs();
  }

  static Stream<List<String>> variants() throws Exception {
    return ClientMatrixIT.variants();
  }

  private AppUnderAgent.Builder app(List<String> variant, String endpoint) {
    return new AppUnderAgent.Builder(Path.of(variant.get(0)), directory, endpoint)
        .jvm(
            "-Xmx256m",
            "-Dsun.net.httpserver.maxIdleConnections=1000",
            "-Dsun.net.httpserver.idleInterval=300")
        .libraries()
        .command(KafkaApp.class.getName(), variant.get(1), String.valueOf(broker.port));
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everyRecordIsUnderItsRequest(List<String> variant) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app = app(variant, receiver.endpoint()).start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      for (int id = 0; id < KafkaApp.TOPICS.size(); id++) {
        // Classes that are loaded for the first time, and instrumented.
        assertThat(app.get("/send/" + id)).isEqualTo("ok");
      }
      store.settle(QUIET, Duration.ofSeconds(20));
      store.clear();
      load(app);
      settle(store);
      Counts counts = new Counts();
      store.traces().forEach(counts::add);
      for (Row row : Row.values()) {
        MATRIX.add(row.label, ClientMatrixIT.column(variant), counts.toString(row));
      }
      assertThat(counts.wrong).as("%s: %s", variant, app.errors()).isEmpty();
      assertRecordsNameTheirRequests(store);
      for (Row row : Row.values()) {
        assertThat(counts.right.getOrDefault(row, 0)).as("%s", row).isEqualTo(counts(row));
      }
      assertThat(app.end()).isZero();
      assertThat(app.errors()).doesNotContain("failed", "closed twice");
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void callsToTheBrokerAreReadThroughTls(Path home) throws Exception {
    Path keys = Keys.make(directory);
    TraceStore store = new TraceStore();
    try (KafkaBroker secured =
            KafkaBroker.withTls(
                Files.createDirectory(directory.resolve("broker")), keys, Keys.PASSWORD);
        OtlpReceiver receiver = new OtlpReceiver(0, store);
        AppUnderAgent app =
            app(List.of(home.toString(), "platform"), receiver.endpoint())
                .command(
                    KafkaApp.class.getName(),
                    "platform",
                    String.valueOf(secured.port),
                    "security.protocol=SSL",
                    "ssl.endpoint.identification.algorithm=",
                    "ssl.truststore.type=PKCS12",
                    "ssl.truststore.location=" + keys,
                    "ssl.truststore.password=" + Keys.PASSWORD)
                .start()) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      load(app);
      settle(store);
      Counts counts = new Counts();
      store.traces().forEach(counts::add);
      assertThat(counts.wrong).as("%s: %s", home, app.errors()).isEmpty();
      assertRecordsNameTheirRequests(store);
      assertThat(counts.right).containsEntry(Row.PRODUCER, REQUESTS);
      for (String operation : List.of("send", "poll")) {
        List<Span> calls =
            of(store.spans(), Span.Kind.CLIENT)
                .filter(span -> operation.equals(span.text("messaging.operation.name")))
                .toList();
        assertThat(calls)
            .as(operation)
            .isNotEmpty()
            .allMatch(span -> "tls".equals(span.text("tls.protocol.name")))
            .allMatch(span -> span.number("underspan.net.bytes_out") > 0)
            .anyMatch(span -> span.number("messaging.batch.message_count") > 0)
            .noneMatch(span -> span.attributes().containsKey("error.type"));
        assertThat(calls.stream().mapToLong(s -> s.number("messaging.batch.message_count")).sum())
            .as(operation)
            .isLessThanOrEqualTo(REQUESTS);
      }
      assertThat(app.end()).isZero();
    }
  }

  /** Consumers may be late where a machine has much else to do, and are quiet until then. */
  private static void settle(TraceStore store) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    do {
      store.settle(QUIET, Duration.ofSeconds(30));
    } while (of(store.spans(), Span.Kind.CONSUMER).count() < REQUESTS
        && System.nanoTime() < deadline);
  }

  /** Each the one over whose bytes it went: so many records name a request as it had. */
  private static void assertRecordsNameTheirRequests(TraceStore store) {
    Map<Span.Link, Span> calls =
        of(store.spans(), Span.Kind.CLIENT)
            .filter(KafkaIT::isKafka)
            .collect(Collectors.toMap(s -> new Span.Link(s.traceId(), s.spanId()), s -> s));
    for (Span.Kind kind : List.of(Span.Kind.PRODUCER, Span.Kind.CONSUMER)) {
      String operation = kind == Span.Kind.PRODUCER ? "send" : "poll";
      Map<Span, Long> records = new HashMap<>();
      of(store.spans(), kind)
          .forEach(
              record -> {
                assertThat(record.links()).as("%s", record).hasSize(1);
                Span call = calls.get(record.links().get(0));
                assertThat(call).as("request of %s", record).isNotNull();
                assertThat(call.text("messaging.operation.name")).isEqualTo(operation);
                String client = record.text("messaging.client.id");
                assertThat(call.text("messaging.client.id")).isEqualTo(client);
                records.merge(call, 1L, Long::sum);
              });
      assertThat(records.keySet())
          .as(operation)
          .anyMatch(call -> messages(call) > 0)
          .allMatch(call -> messages(call) == 0 || fits(kind, records.get(call), messages(call)));
    }
  }

  /** 0 where that was not among the captured bytes. */
  private static long messages(Span call) {
    return call.number("messaging.batch.message_count");
  }

  /** What was fetched need not be processed: another reader may have taken over. */
  private static boolean fits(Span.Kind kind, long records, long messages) {
    return kind == Span.Kind.PRODUCER ? records == messages : records <= messages;
  }

  /** Its spans of records are the only ones, and with the name switched off there are none. */
  @Test
  void besideTheOfficialAgentAndSwitchedOff() throws Exception {
    Path home = Jdks.homes().findFirst().orElseThrow();
    for (String mode : List.of("beside", "off")) {
      TraceStore store = new TraceStore();
      try (OtlpReceiver receiver = new OtlpReceiver(0, store)) {
        AppUnderAgent.Builder builder =
            app(List.of(home.toString(), "platform"), receiver.endpoint())
                .environment("OTEL_METRICS_EXPORTER", "none")
                .environment("OTEL_LOGS_EXPORTER", "none");
        if (mode.equals("beside")) {
          // Its own lists are not in all respects like Kafka's.
          builder.jvmAfter("-javaagent:" + officialAgent(), "-Dkafka.lists.unchecked=true");
        } else {
          builder.agent("instrumentation.kafka.enabled=false");
        }
        try (AppUnderAgent app = builder.start()) {
          assertThat(app.level())
              .contains(mode.equals("beside") ? "mode enrich: the OpenTelemetry" : "standalone");
          load(app);
          store.settle(QUIET, Duration.ofSeconds(30));
          List<Span> spans = store.spans();
          int each = mode.equals("beside") ? REQUESTS : 0;
          assertThat(of(spans, Span.Kind.PRODUCER)).as(mode).hasSize(each);
          Set<String> handled =
              of(spans, Span.Kind.CONSUMER).map(Span::parentId).collect(Collectors.toSet());
          assertThat(handled).as("%s: %s", mode, app.errors()).hasSize(each);
          assertThat(spans)
              .noneMatch(span -> span.name().startsWith("send ") && span.kind() != Span.Kind.CLIENT)
              .noneMatch(span -> span.name().startsWith("process "));
          boolean calls = of(spans, Span.Kind.CLIENT).anyMatch(KafkaIT::isKafka);
          assertThat(calls).as("calls to the broker").isEqualTo(mode.equals("off"));
          assertThat(app.end()).isZero();
          assertThat(app.errors()).doesNotContain("WARNING: instrumentation");
        }
      }
    }
  }

  private static String officialAgent() {
    String all =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    return Stream.of(all.split(File.pathSeparator))
        .filter(path -> path.matches(".*/opentelemetry-javaagent-[0-9][^/]*jar"))
        .findFirst()
        .orElseThrow();
  }

  private static Stream<Span> of(List<Span> spans, Span.Kind kind) {
    return spans.stream().filter(span -> span.kind() == kind);
  }

  private static boolean isKafka(Span span) {
    return "kafka".equals(span.text("messaging.system"));
  }

  /** How many there must be. */
  private static int counts(Row row) {
    int count = 0;
    for (int id = 0; id < REQUESTS; id++) {
      boolean counts =
          switch (row) {
            case PRODUCER -> true;
            case CALLBACK -> id % 10 == 0;
            default -> Row.consumer(id) == row;
          };
      count += counts ? 1 : 0;
    }
    return count;
  }

  /** Of all traces. */
  private static final class Counts {
    final Map<Row, Integer> right = new EnumMap<>(Row.class);
    final List<String> wrong = new ArrayList<>();

    String toString(Row row) {
      return right.getOrDefault(row, 0) + " of " + counts(row);
    }

    void add(Trace trace) {
      for (Trace.Node root : trace.roots()) {
        Span span = root.span();
        String path = String.valueOf(span.text("url.path"));
        if (path.startsWith("/send/")) {
          request(root, number(path));
        } else if (!isKafka(span)
            || span.kind() != Span.Kind.CLIENT
            || !root.children().isEmpty()) {
          wrong.add("root " + span);
        }
        // Else a request of many records, or for such, which is nobody's.
      }
    }

    private void request(Trace.Node root, int id) {
      for (Trace.Node child : root.children()) {
        if (child.span().kind() == Span.Kind.PRODUCER) {
          sent(child, id);
        } else {
          call(child, Row.CALLBACK, "/acked/" + id);
        }
      }
    }

    private void sent(Trace.Node producer, int id) {
      Span span = producer.span();
      String topic = KafkaApp.TOPICS.get(id % KafkaApp.TOPICS.size());
      right(
          Row.PRODUCER,
          producer,
          span.name().equals("send " + topic)
              && topic.equals(span.text("messaging.destination.name"))
              && "send".equals(span.text("messaging.operation.type"))
              && "kernel".equals(span.text("underspan.level"))
              && Budget.addsUp(span));
      for (Trace.Node child : producer.children()) {
        processed(child, span, topic, id);
      }
    }

    private void processed(Trace.Node process, Span sent, String topic, int id) {
      Span span = process.span();
      boolean same = true;
      for (String key : List.of("messaging.destination.partition.id", "messaging.kafka.offset")) {
        same &= span.attributes().containsKey(key);
        same &= String.valueOf(span.text(key)).equals(sent.text(key));
      }
      right(
          Row.consumer(id),
          process,
          span.kind() == Span.Kind.CONSUMER
              && same
              && process.children().size() == 1
              && span.name().equals("process " + topic)
              && "process".equals(span.text("messaging.operation.type"))
              && String.valueOf(span.text("messaging.consumer.group.name"))
                  .startsWith("readers-of-" + topic)
              && "kernel".equals(span.text("underspan.level"))
              && span.number("underspan.time.cpu") > 0
              && Budget.addsUp(span));
      for (Trace.Node call : process.children()) {
        call(call, null, "/handled/" + id);
      }
    }

    private void call(Trace.Node call, Row row, String path) {
      boolean fits =
          call.span().kind() == Span.Kind.CLIENT
              && String.valueOf(call.span().text("url.full")).endsWith(path)
              && call.children().size() == 1
              && path.equals(call.children().get(0).span().text("url.path"))
              && call.children().get(0).children().isEmpty();
      right(row, call, fits);
    }

    private void right(Row row, Trace.Node node, boolean fits) {
      if (!fits) {
        wrong.add(node.toString());
      } else if (row != null) {
        right.merge(row, 1, Integer::sum);
      }
    }

    private static int number(String path) {
      return Integer.parseInt(path.substring(path.lastIndexOf('/') + 1));
    }
  }

  private static void load(AppUnderAgent app) throws Exception {
    assertThat(NumberedRequests.send(app.port, "/send/", REQUESTS, AT_ONCE)).containsOnly("ok");
  }
}
