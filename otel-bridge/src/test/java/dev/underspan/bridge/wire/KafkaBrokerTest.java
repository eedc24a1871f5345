package dev.underspan.bridge.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is read of the connections of Kafka's own clients to a real broker. */
class KafkaBrokerTest {
  @SuppressWarnings("NullAway.Init")
  @TempDir
  static Path directory;

  @SuppressWarnings("NullAway.Init")
  private static ReadingProxy proxy;

  @SuppressWarnings("NullAway.Init")
  private static KafkaBroker broker;

  @SuppressWarnings("NullAway.Init")
  private static Admin admin;

  @BeforeAll
  static void start() throws Exception {
    proxy = new ReadingProxy();
    broker = new KafkaBroker(directory, proxy.port());
    proxy.target = broker.port;
    admin = Admin.create(config("admin", Map.of("reconnect.backoff.max.ms", 200)));
    List<NewTopic> topics =
        List.of(
            new NewTopic("orders", 3, (short) 1),
            new NewTopic("parcels", 1, (short) 1),
            new NewTopic("large", 1, (short) 1),
            new NewTopic("doomed", 1, (short) 1),
            new NewTopic("for-classic", 2, (short) 1),
            new NewTopic("for-consumer", 2, (short) 1));
    admin.createTopics(topics).all().get(60, TimeUnit.SECONDS);
    assertThat(broker.isAlive()).isTrue();
  }

  @AfterAll
  static void stop() throws IOException {
    admin.close(Duration.ZERO);
    broker.close();
    proxy.close();
  }

  private static Map<String, Object> config(String clientId, Map<String, ?> more) {
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", "127.0.0.1:" + proxy.port());
    config.put("client.id", clientId);
    config.putAll(more);
    return config;
  }

  private static Producer<byte[], byte[]> producer(String clientId, Map<String, ?> more) {
    Map<String, Object> config = config(clientId, Map.of("linger.ms", 30_000));
    config.putAll(more);
    return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
  }

  private static Consumer<byte[], byte[]> consumer(String clientId, Map<String, ?> more) {
    return new KafkaConsumer<>(
        config(clientId, more), new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  /** Sends so many small records to a partition; they go at the next flush. */
  @SuppressWarnings("FutureReturnValueIgnored") // a flush waits for them
  private static void send(
      Producer<byte[], byte[]> producer, String topic, int partition, int count) {
    for (int i = 0; i < count; i++) {
      send(producer, topic, partition, new byte[20]);
    }
  }

  private static Future<RecordMetadata> send(
      Producer<byte[], byte[]> producer, String topic, int partition, byte[] value) {
    return producer.send(new ProducerRecord<>(topic, partition, new byte[] {1}, value));
  }

  private static List<ClientCall> of(String clientId) {
    return proxy.calls.stream()
        .filter(call -> clientId.equals(Feed.messaging(call).clientId()))
        .toList();
  }

  private static List<ClientCall> await(String clientId, Predicate<List<ClientCall>> enough)
      throws InterruptedException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
    while (!enough.test(of(clientId)) && System.nanoTime() < end) {
      Thread.sleep(10);
    }
    return of(clientId);
  }

  private static ClientCall.Messaging sent(
      String clientId, @Nullable String topic, int partition, long count) {
    return new ClientCall.Messaging(
        "kafka", "send", "send", topic, partition, count, clientId, null);
  }

  private static void wellFormed(List<ClientCall> calls) {
    assertThat(calls)
        .allSatisfy(
            call -> {
              assertThat(call.complete()).isTrue();
              assertThat(call.errorType()).isNull();
              assertThat(call.firstByteNs()).isGreaterThanOrEqualTo(call.startNs());
              assertThat(call.endNs()).isGreaterThanOrEqualTo(call.firstByteNs());
              assertThat(call.bytesOut()).isGreaterThan(30);
              assertThat(call.bytesIn()).isGreaterThan(30);
            });
  }

  @Test
  void eachFlushIsACall() throws Exception {
    try (Producer<byte[], byte[]> producer = producer("flushes", Map.of())) {
      send(producer, "orders", 0, 17);
      producer.flush();
      send(producer, "orders", 2, 1);
      producer.flush();
      send(producer, "orders", 0, 5);
      send(producer, "orders", 1, 6);
      producer.flush();
      send(producer, "parcels", 0, 3);
      send(producer, "orders", 1, 4);
      producer.flush();
    }
    List<ClientCall> calls = await("flushes", c -> c.size() >= 4);
    assertThat(calls.stream().map(ClientCall::details))
        .containsExactly(
            sent("flushes", "orders", 0, 17),
            sent("flushes", "orders", 2, 1),
            sent("flushes", "orders", -1, 11),
            sent("flushes", null, -1, 7));
    wellFormed(calls);
  }

  @Test
  void compressed() throws Exception {
    for (String codec : List.of("gzip", "lz4", "zstd", "snappy")) {
      try (Producer<byte[], byte[]> producer =
          producer(codec, Map.of("compression.type", codec, "acks", "1"))) {
        send(producer, "orders", 1, 101);
        producer.flush();
      }
      List<ClientCall> calls = await(codec, c -> !c.isEmpty());
      assertThat(calls.stream().map(ClientCall::details))
          .containsExactly(sent(codec, "orders", 1, 101));
      wellFormed(calls);
    }
  }

  @Test
  void nobodyAcknowledges() throws Exception {
    try (Producer<byte[], byte[]> producer =
        producer("careless", Map.of("acks", "0", "enable.idempotence", false))) {
      send(producer, "orders", 0, 7);
      producer.flush();
      send(producer, "parcels", 0, 2);
      producer.flush();
    }
    List<ClientCall> calls = await("careless", c -> c.size() >= 2);
    assertThat(calls.stream().map(ClientCall::details))
        .containsExactly(sent("careless", "orders", 0, 7), sent("careless", "parcels", 0, 2));
    assertThat(calls).allMatch(c -> c.complete() && c.firstByteNs() == 0 && c.bytesIn() == 0);
  }

  @Test
  void largeRecord() throws Exception {
    try (Producer<byte[], byte[]> producer = producer("large-producer", Map.of("linger.ms", 0))) {
      send(producer, "large", 0, new byte[200_000]).get(10, TimeUnit.SECONDS);
    }
    List<ClientCall> calls = await("large-producer", c -> !c.isEmpty());
    assertThat(calls.stream().map(ClientCall::details))
        .containsExactly(sent("large-producer", "large", 0, 1));
    assertThat(calls.get(0).bytesOut()).isBetween(200_000L, 200_400L);
    try (Consumer<byte[], byte[]> consumer =
        consumer("large-consumer", Map.of("auto.offset.reset", "earliest"))) {
      consumer.assign(List.of(new TopicPartition("large", 0)));
      int got = 0;
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
      while (got == 0 && System.nanoTime() < end) {
        got += consumer.poll(Duration.ofMillis(100)).count();
      }
      assertThat(got).isEqualTo(1);
    }
    calls = await("large-consumer", c -> !c.isEmpty());
    assertThat(calls.stream().map(ClientCall::details))
        .containsExactly(
            new ClientCall.Messaging(
                "kafka", "poll", "receive", "large", 0, 1, "large-consumer", null));
    assertThat(calls.get(0).bytesIn()).isBetween(200_000L, 200_400L);
    wellFormed(calls);
  }

  @Test
  void groupOfConsumers() throws Exception {
    consumeInGroup("classic");
    consumeInGroup("consumer");
  }

  private static void consumeInGroup(String protocol) throws Exception {
    String client = protocol + "-consumer";
    String topic = "for-" + protocol;
    Map<Integer, Long> got = new HashMap<>();
    try (Producer<byte[], byte[]> producer = producer(protocol + "-producer", Map.of());
        Consumer<byte[], byte[]> consumer =
            consumer(
                client,
                Map.of(
                    "group.id",
                    protocol + "-group",
                    "group.protocol",
                    protocol,
                    "auto.offset.reset",
                    "earliest",
                    "fetch.max.wait.ms",
                    100))) {
      consumer.subscribe(List.of(topic));
      long before = 0;
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(15);
      for (int round = 1; round <= 5; round++) {
        send(producer, topic, round % 2, 10 * round);
        producer.flush();
        before += 10L * round;
        while (got.values().stream().mapToLong(n -> n).sum() < before && System.nanoTime() < end) {
          for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(50))) {
            got.merge(record.partition(), 1L, Long::sum);
          }
        }
      }
    }
    Map<Integer, Long> read = new HashMap<>();
    List<ClientCall> calls = of(client);
    for (ClientCall call : calls) {
      ClientCall.Messaging poll = Feed.messaging(call);
      assertThat(poll.operation()).isEqualTo("poll");
      assertThat(poll.destination()).isEqualTo(topic);
      assertThat(poll.group()).isEqualTo(protocol + "-group");
      read.merge(poll.partition(), poll.messages(), Long::sum);
    }
    long all = got.values().stream().mapToLong(n -> n).sum();
    assertThat(read.values().stream().mapToLong(n -> n).sum()).isEqualTo(all);
    if (!read.containsKey(-1)) {
      assertThat(read).isEqualTo(got);
    }
    assertThat(calls).hasSizeBetween(2, (int) all);
    wellFormed(calls);
  }

  @Test
  void topicThatIsNoMore() throws Exception {
    Map<String, Object> patience =
        Map.of("delivery.timeout.ms", 1500, "request.timeout.ms", 1000, "linger.ms", 0);
    try (Producer<byte[], byte[]> producer = producer("disappointed", patience)) {
      send(producer, "doomed", 0, new byte[20]).get(10, TimeUnit.SECONDS);
      admin.deleteTopics(List.of("doomed")).all().get(10, TimeUnit.SECONDS);
      // The broker may take some more before it knows.
      boolean refused = false;
      for (int i = 0; i < 100 && !refused; i++) {
        try {
          send(producer, "doomed", 0, new byte[20]).get(10, TimeUnit.SECONDS);
          Thread.sleep(20);
        } catch (ExecutionException e) {
          refused = true; // once it has tried for long enough
        }
      }
      assertThat(refused).isTrue();
    }
    List<ClientCall> calls =
        await("disappointed", c -> c.stream().anyMatch(call -> call.errorType() != null));
    assertThat(calls.get(0).details()).isEqualTo(sent("disappointed", "doomed", 0, 1));
    assertThat(calls.get(0).errorType()).isNull();
    ClientCall failed =
        calls.stream().filter(call -> call.errorType() != null).findFirst().orElseThrow();
    assertThat(failed.details()).isEqualTo(sent("disappointed", "doomed", 0, 1));
    assertThat(failed.errorType()).isIn("UNKNOWN_TOPIC_ID", "UNKNOWN_TOPIC_OR_PARTITION");
  }

  @AfterAll
  static void nothingWasLost() {
    WireCounters counters = proxy.counters;
    assertThat(counters.parseErrors.sum()).as("%s", counters).isZero();
    assertThat(counters.truncatedMessages.sum()).as("%s", counters).isZero();
    assertThat(counters.callsDropped.sum()).as("%s", counters).isZero();
    assertThat(counters.unknownProtocol.sum()).as("%s", counters).isZero();
    assertThat(counters.unknownVersions.sum()).as("%s", counters).isZero();
  }
}
