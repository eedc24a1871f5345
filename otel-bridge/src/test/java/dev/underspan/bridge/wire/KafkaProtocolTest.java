package dev.underspan.bridge.wire;

import static dev.underspan.bridge.wire.Feed.bytes;
import static dev.underspan.bridge.wire.Feed.hex;
import static dev.underspan.bridge.wire.Feed.join;
import static dev.underspan.bridge.wire.Feed.messaging;
import static dev.underspan.bridge.wire.KafkaBytes.API_VERSIONS;
import static dev.underspan.bridge.wire.KafkaBytes.API_VERSIONS_ANSWER;
import static dev.underspan.bridge.wire.KafkaBytes.batch;
import static dev.underspan.bridge.wire.KafkaBytes.compact;
import static dev.underspan.bridge.wire.KafkaBytes.described;
import static dev.underspan.bridge.wire.KafkaBytes.fetch;
import static dev.underspan.bridge.wire.KafkaBytes.fetched;
import static dev.underspan.bridge.wire.KafkaBytes.fetchedPartition;
import static dev.underspan.bridge.wire.KafkaBytes.frame;
import static dev.underspan.bridge.wire.KafkaBytes.int16;
import static dev.underspan.bridge.wire.KafkaBytes.int32;
import static dev.underspan.bridge.wire.KafkaBytes.metadata;
import static dev.underspan.bridge.wire.KafkaBytes.partition;
import static dev.underspan.bridge.wire.KafkaBytes.produce;
import static dev.underspan.bridge.wire.KafkaBytes.produceFlexible;
import static dev.underspan.bridge.wire.KafkaBytes.produced;
import static dev.underspan.bridge.wire.KafkaBytes.producedFlexible;
import static dev.underspan.bridge.wire.KafkaBytes.request;
import static dev.underspan.bridge.wire.KafkaBytes.response;
import static dev.underspan.bridge.wire.KafkaBytes.text;
import static dev.underspan.bridge.wire.KafkaBytes.topic;
import static dev.underspan.bridge.wire.KafkaBytes.varint;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class KafkaProtocolTest {
  private static Feed connected() {
    return Feed.fresh().out(API_VERSIONS).in(API_VERSIONS_ANSWER);
  }

  private static ClientCall.Messaging send(@Nullable String topic, int partition, long messages) {
    return new ClientCall.Messaging(
        "kafka", "send", "send", topic, partition, messages, "producer-1", null);
  }

  private static ClientCall.Messaging poll(@Nullable String topic, int partition, long messages) {
    return new ClientCall.Messaging(
        "kafka", "poll", "receive", topic, partition, messages, "consumer-g-1", null);
  }

  private static List<ClientCall.Details> details(Feed feed) {
    return feed.calls.stream().map(ClientCall::details).toList();
  }

  private static void clean(Feed feed) {
    WireCounters c = feed.counters;
    assertThat(c.parseErrors.sum()).isZero();
    assertThat(c.callsDropped.sum()).isZero();
    assertThat(c.truncatedMessages.sum()).isZero();
  }

  @Test
  void produceIsACall() {
    Feed feed = connected();
    assertThat(feed.calls).isEmpty();
    byte[] question = produce(1, 1, topic("orders", partition(3, batch(5, 100))));
    byte[] answer = produced(1, "orders", 3, 0);
    feed.out(question);
    final long start = feed.now;
    feed.in(answer);
    ClientCall call = feed.only();
    assertThat(call.details()).isEqualTo(send("orders", 3, 5));
    assertThat(call.errorType()).isNull();
    assertThat(call.complete()).isTrue();
    assertThat(call.firstOnConnection()).isTrue();
    assertThat(call.startNs()).isEqualTo(start);
    assertThat(call.firstByteNs()).isEqualTo(feed.now - 3);
    assertThat(call.endNs()).isEqualTo(feed.now);
    assertThat(call.bytesOut()).isEqualTo(question.length);
    assertThat(call.bytesIn()).isEqualTo(answer.length);
    assertThat(call.parent()).isEqualTo(new TraceHead(1, 2, start, 1));
    clean(feed);
  }

  @Test
  void flexibleProduce() {
    Feed feed = connected().out(produceFlexible(1, "orders", 3, batch(200, 9)));
    feed.in(producedFlexible(1, "orders", 3, 0));
    assertThat(feed.only().details()).isEqualTo(send("orders", 3, 200));
    clean(feed);
  }

  @Test
  void errorByName() {
    Feed feed = connected();
    feed.out(produce(1, 1, topic("orders", partition(3, batch(5, 1)))));
    feed.in(produced(1, "orders", 3, 6));
    feed.out(produceFlexible(2, "orders", 3, batch(1, 9)));
    feed.in(producedFlexible(2, "orders", 3, 3));
    feed.out(produceFlexible(3, "orders", 3, batch(1, 9)));
    feed.in(producedFlexible(3, "orders", 3, 4711));
    assertThat(feed.calls.stream().map(ClientCall::errorType))
        .containsExactly("NOT_LEADER_OR_FOLLOWER", "UNKNOWN_TOPIC_OR_PARTITION", "4711");
    assertThat(feed.calls).allMatch(ClientCall::complete);
    clean(feed);
  }

  @Test
  void severalPartitionsAndTopicsAreOneCall() {
    Feed feed = connected();
    feed.out(
        produce(
            1, -1, topic("a", partition(0, batch(2, 5), batch(3, 5)), partition(1, batch(4, 0)))));
    feed.in(produced(1, "a", 0, 0));
    feed.out(
        produce(
            2, 1, topic("a", partition(0, batch(2, 5))), topic("b", partition(0, batch(7, 5)))));
    feed.in(produced(2, "a", 0, 0));
    assertThat(details(feed)).containsExactly(send("a", -1, 9), send(null, -1, 9));
    clean(feed);
  }

  @Test
  void pipelined() {
    Feed feed = connected();
    for (int i = 1; i <= 5; i++) {
      feed.out(produce(i, 1, topic("t", partition(i, batch(i, 10)))));
    }
    feed.in(produced(1, "t", 1, 0));
    feed.in(join(produced(2, "t", 2, 0), produced(3, "t", 3, 7)));
    feed.in(join(produced(4, "t", 4, 0), produced(5, "t", 5, 0)));
    assertThat(details(feed))
        .containsExactly(
            send("t", 1, 1), send("t", 2, 2), send("t", 3, 3), send("t", 4, 4), send("t", 5, 5));
    assertThat(feed.calls.get(2).errorType()).isEqualTo("REQUEST_TIMED_OUT");
    assertThat(feed.calls.stream().map(ClientCall::startNs)).isSorted().doesNotHaveDuplicates();
    clean(feed);
  }

  @Test
  void withoutAcknowledgement() {
    Feed feed = connected();
    feed.out(produce(1, 0, topic("t", partition(0, batch(1, 10)))));
    ClientCall call = feed.only();
    assertThat(call.details()).isEqualTo(send("t", 0, 1));
    assertThat(call.complete()).isTrue();
    assertThat(call.firstByteNs()).isZero();
    assertThat(call.endNs()).isEqualTo(call.startNs());
    feed.out(produce(2, 1, topic("t", partition(0, batch(2, 10)))));
    feed.in(produced(2, "t", 0, 0)).close();
    assertThat(details(feed)).containsExactly(send("t", 0, 1), send("t", 0, 2));
    clean(feed);
  }

  @Test
  void fetchedRecords() {
    Feed feed = connected().out(fetch(1)).in(fetched(1, 0));
    assertThat(feed.calls).isEmpty();
    feed.out(fetch(2)).in(fetched(2, 0, topic("t", fetchedPartition(0, 0))));
    assertThat(feed.calls).isEmpty();
    assertThat(feed.counters.emptyPolls.sum()).isEqualTo(2);
    feed.out(fetch(3));
    feed.in(
        fetched(
            3,
            0,
            topic("quiet", fetchedPartition(0, 0)),
            topic(
                "t",
                fetchedPartition(0, 0),
                fetchedPartition(1, 0, batch(3, 10), batch(4, 10)),
                fetchedPartition(2, 0))));
    assertThat(feed.only().details()).isEqualTo(poll("t", 1, 7));
    clean(feed);
  }

  @Test
  void fetchErrors() {
    Feed feed = connected().out(fetch(1)).in(fetched(1, 70));
    feed.out(fetch(2)).in(fetched(2, 0, topic("t", fetchedPartition(4, 1))));
    assertThat(details(feed)).containsExactly(poll(null, -1, 0), poll("t", 4, 0));
    assertThat(feed.calls.stream().map(ClientCall::errorType))
        .containsExactly("FETCH_SESSION_ID_NOT_FOUND", "OFFSET_OUT_OF_RANGE");
    clean(feed);
  }

  @Test
  void transactionMarkersAndACutBatchAreNoMessages() {
    byte[] cut = Arrays.copyOf(batch(9, 100), 90);
    byte[] stub = Arrays.copyOf(batch(9, 100), 7);
    Feed feed = connected();
    feed.out(fetch(1)).in(fetched(1, 0, topic("t", fetchedPartition(0, 0, batch(1, 6, 0x30)))));
    feed.out(fetch(2)).in(fetched(2, 0, topic("t", fetchedPartition(0, 0, cut))));
    assertThat(feed.calls).isEmpty();
    feed.out(fetch(3));
    feed.in(fetched(3, 0, topic("t", fetchedPartition(0, 0, batch(1, 6, 0x30), batch(2, 1), cut))));
    feed.out(fetch(4));
    feed.in(fetched(4, 0, topic("t", fetchedPartition(0, 0, batch(3, 1), stub))));
    assertThat(details(feed)).containsExactly(poll("t", 0, 2), poll("t", 0, 3));
    clean(feed);
  }

  @Test
  void oldMessageFormats() {
    // Offset, size, checksum, magic 1, attributes, timestamp, no key, no value.
    byte[] plain =
        hex("0000000000000000 00000016 00000000 01 00 0000000000000000 ffffffff ffffffff");
    byte[] zipped = plain.clone();
    zipped[17] = 1;
    Feed feed = connected();
    feed.out(fetch(1)).in(fetched(1, 0, topic("t", fetchedPartition(0, 0, plain, plain))));
    feed.out(fetch(2)).in(fetched(2, 0, topic("t", fetchedPartition(0, 0, zipped, plain))));
    assertThat(details(feed)).containsExactly(poll("t", 0, 2), poll("t", 0, -1));
    clean(feed);
  }

  @Test
  void topicIdsAreLearnedFromMetadata() {
    byte[] id = hex("00112233445566778899aabbccddeeff");
    Feed feed = connected();
    byte[] records = batch(6, 5);
    byte[] body =
        join(
            hex("00 00"),
            int16(1),
            int32(1),
            hex("02"),
            id,
            hex("02"),
            int32(0),
            varint(records.length + 1),
            records,
            hex("00 00 00"));
    byte[] answer =
        join(hex("00 02"), id, hex("02"), int32(0), int16(0), new byte[24], hex("01000000"));
    feed.out(request(0, 13, 1, "producer-1", body)).in(response(1, answer, int32(0), hex("00")));
    feed.out(metadata(2)).in(described(2, "learned", id));
    feed.out(request(0, 13, 3, "producer-1", body)).in(response(3, answer, int32(0), hex("00")));
    // Another connection of the process knows it too.
    Feed other = connected().out(request(0, 13, 4, "producer-1", body));
    other.in(response(4, answer, int32(0), hex("00")));
    assertThat(details(feed)).containsExactly(send(null, 0, 6), send("learned", 0, 6));
    assertThat(details(other)).containsExactly(send("learned", 0, 6));
    clean(feed);
  }

  @Test
  void groupIsLearnedByClientId() {
    KafkaNames names = new KafkaNames();
    names.group("c", "g");
    names.group("c", "g");
    assertThat(names.group("c")).isEqualTo("g");
    names.group("c", "other");
    assertThat(names.group("c")).isNull();

    byte[] heartbeat = join(text("payers"), int32(3), text("member"), int16(-1));
    Feed coordinator =
        Feed.fresh()
            .out(request(12, 3, 0, "consumer-payers-1", heartbeat))
            .in(response(0, int32(0)));
    assertThat(coordinator.calls).isEmpty();
    byte[] ask = fetch(9);
    byte[] body = Arrays.copyOfRange(ask, 14 + 12, ask.length);
    Feed feed = Feed.fresh().out(request(1, 11, 9, "consumer-payers-1", body));
    feed.in(fetched(9, 0, topic("t", fetchedPartition(0, 0, batch(1, 1)))));
    assertThat(messaging(feed.only()).group()).isEqualTo("payers");
  }

  @Test
  void boundedNames() {
    KafkaNames names = new KafkaNames();
    for (int i = 0; i < 10_000; i++) {
      names.topic(new java.util.UUID(1, i), "t" + i);
      names.group("c" + i, "g");
    }
    assertThat(names.topic(new java.util.UUID(1, 0))).isNull();
    assertThat(names.topic(new java.util.UUID(1, 9_999))).isEqualTo("t9999");
    assertThat(names.group("c0")).isNull();
    assertThat(names.group("c9999")).isEqualTo("g");
  }

  @Test
  void largeRecordsAreSteppedOver() {
    Feed feed = connected().capture(8192, 16);
    byte[] one = produce(1, 1, topic("t", partition(0, batch(1, 200_000))));
    feed.out(Arrays.copyOf(one, 131_072)).out(Arrays.copyOfRange(one, 131_072, one.length));
    feed.in(produced(1, "t", 0, 0));
    byte[] got = fetched(2, 0, topic("t", fetchedPartition(0, 0, batch(1, 200_000))));
    feed.out(fetch(2));
    // As kafka-clients reads: the size alone, then whatever there is.
    feed.in(Arrays.copyOf(got, 4)).in(Arrays.copyOfRange(got, 4, 65_000));
    feed.in(Arrays.copyOfRange(got, 65_000, got.length));
    assertThat(details(feed)).containsExactly(send("t", 0, 1), poll("t", 0, 1));
    assertThat(feed.calls.get(0).bytesOut()).isEqualTo(one.length);
    assertThat(feed.calls.get(1).bytesIn()).isEqualTo(got.length);
    assertThat(feed.calls.get(1).firstByteNs()).isEqualTo(feed.now - 20 - 3);
    clean(feed);
  }

  @Test
  void whatWasNotCapturedIsAbsent() {
    Feed feed = connected().capture(300, 0);
    // The second batch's header is among bytes not seen; topic and partition are alone and known.
    feed.out(produce(1, 1, topic("t", partition(0, batch(1, 1000), batch(1, 1000)))));
    feed.in(produced(1, "t", 0, 0));
    // Here there is another topic behind.
    feed.out(
        produce(
            2, 1, topic("t", partition(0, batch(1, 1000))), topic("u", partition(0, batch(1, 0)))));
    feed.in(produced(2, "t", 0, 0));
    // And here another partition.
    feed.out(produce(3, 1, topic("t", partition(0, batch(1, 1000)), partition(1, batch(1, 0)))));
    feed.in(produced(3, "t", 0, 0));
    feed.out(fetch(4));
    feed.in(fetched(4, 0, topic("t", fetchedPartition(2, 0, batch(8, 1000), batch(1, 1)))));
    assertThat(details(feed))
        .containsExactly(send("t", 0, -1), send(null, -1, -1), send("t", -1, -1), poll("t", 2, -1));
    clean(feed);
  }

  @Test
  void headerNotCaptured() {
    Feed feed = connected().capture(0, 0);
    feed.out(int32(0)); // not even the size: framing is lost
    assertThat(feed.counters.truncatedMessages.sum()).isEqualTo(1);
    feed.capture(Feed.ALL, 0);
    feed.in(response(5, int32(0))); // whose it is nobody knows
    feed.out(produce(7, 1, topic("t", partition(0, batch(2, 1)))));
    feed.in(produced(7, "t", 0, 0));
    assertThat(feed.only().details()).isEqualTo(send("t", 0, 2));
    // The size only.
    byte[] next = produce(8, 1, topic("t", partition(0, batch(3, 1))));
    feed.out(Arrays.copyOf(next, 4)).capture(0, 0).out(Arrays.copyOfRange(next, 4, next.length));
    feed.capture(Feed.ALL, 0).in(produced(8, "t", 0, 0));
    feed.out(produce(9, 1, topic("t", partition(0, batch(4, 1)))));
    feed.in(produced(9, "t", 0, 0));
    assertThat(details(feed)).containsExactly(send("t", 0, 2), send("t", 0, 4));
    assertThat(feed.counters.truncatedMessages.sum()).isEqualTo(2);
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }

  @Test
  void cutOffByTheEndOfTheConnection() {
    Feed feed = connected().out(produce(1, 1, topic("t", partition(0, batch(2, 1)))));
    feed.out(fetch(2));
    feed.close();
    ClientCall call = feed.only();
    assertThat(call.details()).isEqualTo(send("t", 0, 2));
    assertThat(call.complete()).isFalse();
    assertThat(call.errorType()).isEqualTo(ClientCall.CONNECTION_CLOSED);
    assertThat(feed.counters.emptyPolls.sum()).isEqualTo(1);
  }

  @Test
  void cutOffAmidARequestAndAnAnswer() {
    byte[] question = produce(1, 1, topic("t", partition(0, batch(2, 100))));
    Feed feed = connected().out(Arrays.copyOf(question, 130)).close();
    assertThat(feed.only().details()).isEqualTo(send("t", 0, -1));
    assertThat(feed.only().complete()).isFalse();

    byte[] answer = fetched(2, 0, topic("t", fetchedPartition(0, 0, batch(2, 1), batch(2, 100))));
    Feed consumer = connected().out(fetch(2)).in(Arrays.copyOf(answer, 180)).close();
    assertThat(consumer.only().details()).isEqualTo(poll("t", 0, -1));
    assertThat(consumer.only().complete()).isFalse();
    assertThat(consumer.only().errorType()).isEqualTo(ClientCall.CONNECTION_CLOSED);
  }

  @Test
  void lostEventsDoNotShiftAnswers() {
    Feed feed = connected().out(produce(1, 1, topic("a", partition(0, batch(1, 1)))));
    feed.connection.onLoss();
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(1);
    feed.in(bytes("the rest of something"));
    feed.in(produced(1, "a", 0, 0));
    byte[] next = produce(2, 1, topic("b", partition(0, batch(1, 1))));
    feed.out(next).out(produce(3, 1, topic("c", partition(0, batch(1, 1)))));
    byte[] answer = produced(2, "b", 0, 3);
    feed.in(Arrays.copyOf(answer, 4)).in(Arrays.copyOfRange(answer, 4, answer.length));
    feed.in(produced(3, "c", 0, 0));
    assertThat(details(feed)).containsExactly(send("b", 0, 1), send("c", 0, 1));
    assertThat(feed.calls.get(0).errorType()).isEqualTo("UNKNOWN_TOPIC_OR_PARTITION");
    assertThat(feed.calls.get(0).bytesIn()).isEqualTo(answer.length);
    assertThat(feed.calls.get(0).firstByteNs()).isEqualTo(feed.now - 20 - 3);
    assertThat(feed.counters.resynchronised.sum()).isEqualTo(2);
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }

  @Test
  void anAnswerThatNeverCame() {
    Feed feed = connected().out(produce(1, 1, topic("a", partition(0, batch(1, 1)))));
    feed.out(produce(2, 1, topic("b", partition(0, batch(1, 1))))).in(produced(2, "b", 0, 0));
    assertThat(feed.only().details()).isEqualTo(send("b", 0, 1));
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(1);
  }

  @Test
  void garbageBetweenIsSteppedOver() {
    Feed feed = connected().out(bytes("garbage, not a frame"));
    feed.in(bytes("neither is this, you see"));
    assertThat(feed.counters.parseErrors.sum()).isEqualTo(2);
    feed.out(produceFlexible(1, "t", 0, batch(1, 1))).in(producedFlexible(1, "t", 0, 0));
    assertThat(feed.only().details()).isEqualTo(send("t", 0, 1));
  }

  @Test
  void midway() {
    Feed feed = Feed.midway();
    feed.out(fetch(71)).in(bytes("rest of an answer")).in(fetched(70, 0));
    feed.in(fetched(71, 0, topic("t", fetchedPartition(0, 0, batch(2, 2)))));
    assertThat(feed.only().details()).isEqualTo(poll("t", 0, 2));
    assertThat(feed.only().firstOnConnection()).isFalse();
    assertThat(feed.counters.resynchronised.sum()).isZero();
    clean(feed);
  }

  @Test
  void midwayInTheMiddleOfARequest() {
    Feed feed = Feed.midway().out("rest of a record");
    feed.out(produce(71, 1, topic("t", partition(0, batch(2, 2))))).in(produced(71, "t", 0, 0));
    assertThat(feed.only().details()).isEqualTo(send("t", 0, 2));
  }

  @Test
  void saslPassesBy() {
    Feed feed = connected();
    feed.out(request(17, 1, 1, "producer-1", text("PLAIN")));
    feed.in(response(1, int16(0), int32(1), text("PLAIN")));
    feed.out(request(36, 2, 2, "producer-1", hex("00 0a"), bytes("\0joe\0pass"), hex("00")));
    feed.in(response(2, hex("00 0000 00 01"), new byte[8], hex("00")));
    feed.out(produce(3, 1, topic("t", partition(0, batch(1, 1))))).in(produced(3, "t", 0, 0));
    assertThat(feed.only().details()).isEqualTo(send("t", 0, 1));
    clean(feed);
  }

  @Test
  void saslTokensWithoutAHeader() {
    // SaslHandshake version 0: what follows is in frames of its own kind (KIP-43).
    Feed feed = connected().out(request(17, 0, 1, "producer-1", text("PLAIN")));
    feed.in(response(1, int16(0), int32(1), text("PLAIN")));
    feed.out(frame(bytes("\0joe\0password"))).in(frame());
    feed.out(produce(3, 1, topic("t", partition(0, batch(1, 1))))).in(produced(3, "t", 0, 0));
    assertThat(feed.only().details()).isEqualTo(send("t", 0, 1));
    assertThat(feed.counters.parseErrors.sum()).isEqualTo(2);
  }

  @Test
  void newerVersions() {
    Feed feed = connected().out(request(0, 15, 1, "producer-1", new byte[50]));
    feed.in(response(1, new byte[20]));
    feed.out(request(1, 20, 2, "producer-1", new byte[50])).in(response(2, new byte[20]));
    assertThat(feed.only().details()).isEqualTo(send(null, -1, -1));
    assertThat(feed.counters.unknownVersions.sum()).isEqualTo(2);
    clean(feed);
  }

  @Test
  void inFlightIsBounded() {
    Feed feed = connected();
    for (int i = 1; i <= 200; i++) {
      feed.out(produce(i, 1, topic("t", partition(0, batch(i, 1)))));
    }
    assertThat(feed.counters.callsDropped.sum()).isEqualTo(192);
    for (int i = 1; i <= 200; i++) {
      feed.in(produced(i, "t", 0, 0));
    }
    assertThat(feed.calls).hasSize(8);
    assertThat(messaging(feed.calls.get(7)).messages()).isEqualTo(200);
    assertThat(feed.counters.resynchronised.sum()).isEqualTo(1);
  }

  @Test
  void everySplitIsRecognised() {
    for (int at = 0; at <= API_VERSIONS.length; at++) {
      Feed feed = Feed.fresh().out(Arrays.copyOf(API_VERSIONS, at));
      feed.out(Arrays.copyOfRange(API_VERSIONS, at, API_VERSIONS.length)).in(API_VERSIONS_ANSWER);
      feed.out(produce(1, 1, topic("t", partition(0, batch(2, 2))))).in(produced(1, "t", 0, 0));
      assertThat(feed.calls).as("at %s", at).hasSize(1);
    }
  }

  private static Match match(byte[] bytes) {
    return KafkaSyntax.request(bytes, bytes.length, true);
  }

  @Test
  void recognised() {
    assertThat(match(API_VERSIONS)).isEqualTo(Match.YES);
    assertThat(match(metadata(3))).isEqualTo(Match.YES);
    assertThat(match(produce(1, 1, topic("t")))).isEqualTo(Match.YES);
    assertThat(match(produceFlexible(1, "t", 0, batch(1, 1)))).isEqualTo(Match.YES);
    assertThat(match(request(18, 0, 1, ""))).isEqualTo(Match.YES);
    byte[] named =
        request(0, 9, 1, "c", hex("00"), compact("tx-1"), int16(-1), int32(1), hex("01"));
    assertThat(match(named)).isEqualTo(Match.YES);
  }

  @Test
  void otherProtocolsAreNotTakenForKafka() {
    // PostgreSQL's startup looks like Metadata version 0.
    String params = "user\0app\0database\0shop\0\0";
    byte[] startup = join(int32(params.length() + 8), hex("00030000"), bytes(params));
    assertThat(match(startup)).isEqualTo(Match.NO);
    assertThat(match(hex("00000008 04d2162f"))).isEqualTo(Match.NO);
    // ZooKeeper's frames: length, xid, operation, path.
    for (int xid = 0; xid < 40; xid++) {
      byte[] children = frame(int32(xid), int32(12), int32(4), bytes("/foo"), hex("00"));
      assertThat(match(children)).as("xid %s", xid).isEqualTo(Match.NO);
    }
    assertThat(match(bytes("GET / HTTP/1.1\r\n\r\n"))).isEqualTo(Match.NO);
    assertThat(match(bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))).isEqualTo(Match.NO);
    assertThat(match(bytes("*1\r\n$4\r\nPING\r\n"))).isEqualTo(Match.NO);
    assertThat(match(produce(1, 9, topic("t")))).isEqualTo(Match.NO); // acks
    assertThat(match(request(5, 0, 1, "c"))).isEqualTo(Match.NO); // between brokers
    assertThat(match(request(12, 99, 1, "c"))).isEqualTo(Match.NO);
    assertThat(match(request(12, 1, -1, "c"))).isEqualTo(Match.NO);
    assertThat(match(request(12, 1, 1, "\1\2\3"))).isEqualTo(Match.NO);
  }

  @Test
  void whatTurnsOutNotToBeKafkaIsGivenBack() {
    Feed feed = Feed.fresh().out(API_VERSIONS).in("HTTP/1.1 400 Bad Request\r\n\r\n");
    feed.out("GET / HTTP/1.1\r\n\r\n").in("HTTP/1.1 204 No Content\r\n\r\n");
    assertThat(Feed.http(feed.only()).statusCode()).isEqualTo(204);
  }
}
