package dev.underspan.bridge.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisURI;
import io.lettuce.core.api.StatefulRedisConnection;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisPubSub;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.exceptions.JedisDataException;

/** What real clients and a real server say to each other. */
class RealRedisTest {
  private static final Set<String> SETUP = Set.of("HELLO", "CLIENT", "AUTH", "PING");
  private static LocalServer server;
  private static Recorder recorder;

  @BeforeAll
  static void start() throws IOException, InterruptedException {
    server = LocalServer.redis();
    recorder = new Recorder(server.port);
  }

  @AfterAll
  static void stop() throws IOException {
    if (recorder != null) {
      recorder.close();
    }
    if (server != null) {
      server.close();
    }
  }

  private static List<String> outline(Feed feed) {
    List<String> lines = new ArrayList<>();
    for (ClientCall call : feed.calls) {
      ClientCall.Command command = (ClientCall.Command) call.details();
      if (!SETUP.contains(command.operation())) {
        lines.add(command.text() + " @" + command.namespace() + " " + call.errorType());
      }
    }
    return lines;
  }

  private static void assertClean(Feed feed) {
    assertThat(feed.counters.parseErrors.sum()).isZero();
    assertThat(feed.counters.truncatedMessages.sum()).isZero();
    assertThat(feed.counters.callsDropped.sum()).isZero();
    assertThat(feed.counters.resynchronised.sum()).isZero();
    assertThat(feed.counters.unknownProtocol.sum()).isZero();
  }

  @ParameterizedTest
  @EnumSource(names = {"RESP2", "RESP3"})
  void jedis(redis.clients.jedis.RedisProtocol protocol) throws InterruptedException {
    String big = "x".repeat(1_000_000);
    List<String> expected = new ArrayList<>();
    DefaultJedisClientConfig config =
        DefaultJedisClientConfig.builder().protocol(protocol).timeoutMillis(5000).build();
    try (Jedis jedis = new Jedis(new HostAndPort("127.0.0.1", recorder.port()), config)) {
      jedis.select(3);
      expected.add("SELECT ? @0 null");
      jedis.flushDB();
      expected.add("FLUSHDB @3 null");
      jedis.set("secret", "value");
      jedis.get("secret");
      jedis.get("nothing");
      expected.addAll(List.of("SET ? ? @3 null", "GET ? @3 null", "GET ? @3 null"));
      assertThatThrownBy(() -> jedis.lpush("secret", "a")).isInstanceOf(JedisDataException.class);
      expected.add("LPUSH ? ? @3 WRONGTYPE");
      jedis.set("big", big);
      assertThat(jedis.get("big")).hasSize(big.length());
      expected.addAll(List.of("SET ? ? @3 null", "GET ? @3 null"));
      Pipeline pipeline = jedis.pipelined();
      for (int i = 0; i < 100; i++) {
        pipeline.hset("hash", "field" + i, "value");
        expected.add("HSET ? ? ? @3 null");
      }
      pipeline.sync();
      assertThat(jedis.hgetAll("hash")).hasSize(100);
      expected.add("HGETALL ? @3 null");
      redis.clients.jedis.AbstractTransaction transaction = jedis.multi();
      transaction.incr("n");
      transaction.zadd("z", 1.5, "m");
      transaction.zrangeWithScores("z", 0, -1);
      assertThat(transaction.exec()).hasSize(3);
      expected.addAll(
          List.of(
              "MULTI @3 null",
              "INCR ? @3 null",
              "ZADD ? ? ? @3 null",
              "ZRANGE ? ? ? ? @3 null",
              "EXEC @3 null"));
      jedis.eval("return {1, {2, 'three', {}}, redis.status_reply('fine')}");
      expected.add("EVAL ? ? @3 null");
      jedis.blpop(0.05, "queue");
      expected.add("BLPOP ? ? @3 null");
    }
    List<Recorder.Recording> recordings = recorder.take();
    assertThat(recordings).hasSize(1);
    Feed whole = recordings.get(0).replay(Feed.fresh());
    assertThat(outline(whole)).containsExactlyElementsOf(expected);
    assertThat(whole.calls).allMatch(ClientCall::complete);
    assertThat(whole.calls.toString()).doesNotContain("secret");
    assertClean(whole);
    // As the kernel would have captured it. Pipelines may be written faster than they are passed
    // on.
    Feed cut = recordings.get(0).replay(Feed.fresh().capture(8192, 16));
    assertThat(outline(cut)).startsWith(outline(whole).subList(0, 8).toArray(String[]::new));
    assertThat(outline(cut)).endsWith("EVAL ? ? @3 null", "BLPOP ? ? @3 null");
  }

  @ParameterizedTest
  @EnumSource(names = {"RESP2", "RESP3"})
  void subscriber(redis.clients.jedis.RedisProtocol protocol) throws InterruptedException {
    DefaultJedisClientConfig config =
        DefaultJedisClientConfig.builder().protocol(protocol).timeoutMillis(5000).build();
    CountDownLatch subscribed = new CountDownLatch(2);
    CountDownLatch received = new CountDownLatch(2);
    JedisPubSub listener =
        new JedisPubSub() {
          @Override
          public void onSubscribe(String channel, int count) {
            subscribed.countDown();
          }

          @Override
          public void onMessage(String channel, String message) {
            received.countDown();
          }
        };
    HostAndPort address = new HostAndPort("127.0.0.1", recorder.port());
    Thread thread =
        new Thread(
            () -> {
              try (Jedis jedis = new Jedis(address, config)) {
                jedis.subscribe(listener, "a", "b");
              }
            });
    thread.start();
    assertThat(subscribed.await(5, TimeUnit.SECONDS)).isTrue();
    try (Jedis jedis = new Jedis("127.0.0.1", server.port)) {
      jedis.publish("a", "hello");
      jedis.publish("b", "x".repeat(20_000));
    }
    assertThat(received.await(5, TimeUnit.SECONDS)).isTrue();
    listener.unsubscribe();
    thread.join();
    Feed feed = recorder.take().get(0).replay(Feed.fresh());
    // Jedis was seen to unsubscribe once or twice.
    assertThat(outline(feed))
        .startsWith("SUBSCRIBE ? ? @0 null", "UNSUBSCRIBE @0 null")
        .hasSizeBetween(2, 3);
    assertThat(feed.calls).first().matches(ClientCall::complete);
    assertClean(feed);
  }

  @Test
  void lettuceFromSeveralThreadsOnOneConnection() throws Exception {
    RedisURI uri =
        RedisURI.builder()
            .withHost("127.0.0.1")
            .withPort(recorder.port())
            .withTimeout(Duration.ofSeconds(5))
            .withDatabase(2)
            .build();
    RedisClient client = RedisClient.create(uri);
    try (StatefulRedisConnection<String, String> connection = client.connect()) {
      connection.sync().flushdb();
      List<Thread> threads = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        String key = "key" + t;
        Thread thread =
            new Thread(
                () -> {
                  for (int i = 0; i < 100; i++) {
                    connection.sync().rpush(key, "v".repeat(i));
                    connection.sync().lrange(key, 0, -1);
                  }
                });
        thread.start();
        threads.add(thread);
      }
      for (Thread thread : threads) {
        thread.join();
      }
      connection.setAutoFlushCommands(false);
      List<RedisFuture<?>> futures = new ArrayList<>();
      List<RedisFuture<?>> failing = new ArrayList<>();
      for (int i = 0; i < 50; i++) {
        futures.add(connection.async().incr("n"));
        failing.add(connection.async().lpop("n"));
        futures.add(connection.async().get("n"));
      }
      connection.flushCommands();
      for (RedisFuture<?> future : futures) {
        future.get(5, TimeUnit.SECONDS);
      }
      for (RedisFuture<?> future : failing) {
        assertThatThrownBy(() -> future.get(5, TimeUnit.SECONDS)).isNotNull();
      }
      connection.setAutoFlushCommands(true);
      connection.sync().ping();
      connection.sync().set("last", "1");
    } finally {
      client.shutdown(Duration.ZERO, Duration.ofSeconds(2));
    }
    List<Recorder.Recording> recordings = recorder.take();
    assertThat(recordings).hasSize(1);
    Feed feed = recordings.get(0).replay(Feed.fresh());
    List<String> lines = outline(feed);
    assertThat(lines).filteredOn(l -> l.equals("RPUSH ? ? @2 null")).hasSize(400);
    assertThat(lines).filteredOn(l -> l.equals("LRANGE ? ? ? @2 null")).hasSize(400);
    assertThat(lines).filteredOn(l -> l.equals("INCR ? @2 null")).hasSize(50);
    assertThat(lines).filteredOn(l -> l.equals("LPOP ? @2 WRONGTYPE")).hasSize(50);
    assertThat(lines).filteredOn(l -> l.equals("GET ? @2 null")).hasSize(50);
    assertThat(lines).last().isEqualTo("SET ? ? @2 null");
    assertThat(feed.calls).allMatch(ClientCall::complete);
    assertClean(feed);
    // With holes: what cannot be told is counted, and what comes after it is right again.
    Feed cut = recordings.get(0).replay(Feed.fresh().capture(4096, 16));
    assertThat(outline(cut)).last().isEqualTo("SET ? ? @2 null");
    assertThat(cut.calls.size() + cut.counters.callsDropped.sum())
        .isLessThanOrEqualTo(feed.calls.size());
  }
}
