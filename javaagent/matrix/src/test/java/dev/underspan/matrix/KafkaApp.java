package dev.underspan.matrix;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Each request /send/N sends one record that carries N, and three consumers, each in its own way,
 * tell by a request /handled/N that they have read it; every tenth callback by /acked/N that it is
 * acknowledged. Arguments: platform or virtual threads, port of the broker, then further settings
 * of the clients as key=value. Prints "port P"; ends with its standard input.
 */
public final class KafkaApp {
  /** One for each consumer. */
  static final List<String> TOPICS = List.of("all", "by-partition", "by-topic");

  static final int PARTITIONS = 3;

  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final HttpServer server;
  private final Map<String, Object> config = new HashMap<>();
  private final KafkaProducer<String, String> producer;

  private KafkaApp(String[] args) throws Exception {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 1000);
    config.put("bootstrap.servers", "127.0.0.1:" + args[1]);
    for (int i = 2; i < args.length; i++) {
      String[] pair = args[i].split("=", 2);
      config.put(pair[0], pair[1]);
    }
    try (Admin admin = Admin.create(config)) {
      if (admin.listTopics().names().get().isEmpty()) {
        admin
            .createTopics(TOPICS.stream().map(t -> new NewTopic(t, PARTITIONS, (short) 1)).toList())
            .all()
            .get();
      }
    }
    Map<String, Object> own = new HashMap<>(config);
    own.put("linger.ms", 5);
    producer = new KafkaProducer<>(own, new StringSerializer(), new StringSerializer());
  }

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    KafkaApp app = new KafkaApp(args);
    boolean virtual = args[0].equals("virtual");
    ExecutorService consumers =
        virtual ? VirtualThreads.executor() : Executors.newCachedThreadPool();
    CountDownLatch assigned = new CountDownLatch(TOPICS.size());
    for (String topic : TOPICS) {
      consumers.execute(() -> app.consume(topic, assigned));
    }
    assigned.await();
    app.server.createContext("/send/", app::send);
    app.server.createContext("/", exchange -> answer(exchange, 200, "ok"));
    app.server.setExecutor(virtual ? VirtualThreads.executor() : Executors.newFixedThreadPool(64));
    app.server.start();
    System.out.println("port " + app.server.getAddress().getPort());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    Runtime.getRuntime().halt(0);
  }

  private static int number(String path) {
    return Integer.parseInt(path.substring(path.lastIndexOf('/') + 1));
  }

  @SuppressWarnings("FutureReturnValueIgnored") // the callback tells
  private void send(HttpExchange exchange) throws IOException {
    int id = number(exchange.getRequestURI().getPath());
    String topic = TOPICS.get(id % TOPICS.size());
    producer.send(
        new ProducerRecord<>(topic, String.valueOf(id % 7), String.valueOf(id)),
        (metadata, error) -> {
          if (error != null) {
            System.out.println(error);
          }
          if (id % 10 == 0) {
            tell("/acked/" + id);
          }
        });
    answer(exchange, 200, "ok");
  }

  private static void answer(HttpExchange exchange, int status, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  private void tell(String path) {
    URI uri = URI.create("http://127.0.0.1:" + server.getAddress().getPort() + path);
    try {
      client.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
    } catch (IOException e) {
      System.out.println(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void consume(String topic, CountDownLatch assigned) {
    Map<String, Object> own = new HashMap<>(config);
    own.put("group.id", "readers-of-" + topic + "-" + ProcessHandle.current().pid());
    own.put("auto.offset.reset", "latest");
    if (topic.equals("by-topic")) {
      own.put("group.protocol", "consumer"); // it fetches on a thread of its own
    }
    try (KafkaConsumer<String, String> consumer =
        new KafkaConsumer<>(own, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(topic));
      boolean told = false;
      while (true) {
        ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(100));
        if (!told && !consumer.assignment().isEmpty()) {
          told = true;
          consumer.assignment().forEach(consumer::position); // what comes from now on is read
          assigned.countDown();
        }
        switch (topic) {
          case "all" -> handle(records);
          case "by-topic" -> handle(records.records(topic));
          default -> {
            for (TopicPartition partition : records.partitions()) {
              List<ConsumerRecord<String, String>> some = records.records(partition);
              handle(some);
              if (!Boolean.getBoolean("kafka.lists.unchecked")) {
                check(some, partition);
              }
            }
          }
        }
        // Whoever looks at them again does not handle them again.
        for (ConsumerRecord<String, String> one : records) {
          check(one.value().isEmpty());
        }
      }
    }
  }

  private static void check(boolean wrong) {
    if (wrong) {
      throw new IllegalStateException();
    }
  }

  /** The list is as it would be without an agent. */
  private static void check(List<ConsumerRecord<String, String>> records, TopicPartition of) {
    List<ConsumerRecord<String, String>> copy = new ArrayList<>(records);
    check(!copy.equals(records) || !records.equals(copy) || copy.hashCode() != records.hashCode());
    check(!records.contains(copy.get(0)) || records.stream().count() != copy.size());
    check(records.listIterator(copy.size()).previous() != copy.get(copy.size() - 1));
    check(copy.stream().anyMatch(record -> record.partition() != of.partition()));
    try {
      records.iterator().remove();
      check(true);
    } catch (UnsupportedOperationException e) {
      // it cannot be changed
    }
    try {
      records.clear();
      check(true);
    } catch (UnsupportedOperationException e) {
      // it cannot be changed
    }
  }

  private void handle(Iterable<ConsumerRecord<String, String>> records) {
    for (ConsumerRecord<String, String> one : records) {
      tell("/handled/" + one.value());
    }
  }
}
