package dev.underspan.bridge.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.ConsumerGroupHeartbeatRequestData;
import org.apache.kafka.common.message.FetchRequestData;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.HeartbeatRequestData;
import org.apache.kafka.common.message.JoinGroupRequestData;
import org.apache.kafka.common.message.MetadataRequestData;
import org.apache.kafka.common.message.MetadataResponseData;
import org.apache.kafka.common.message.OffsetCommitRequestData;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.message.ProduceResponseData;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.message.SyncGroupRequestData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.SimpleRecord;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The messages as Kafka's own library writes them, in each of their versions. */
class KafkaMessageTest {
  private static final String CLIENT = "client-ü";

  private static IntStream versions(ApiKeys key) {
    return IntStream.rangeClosed(key.oldestVersion(), key.latestVersion(true));
  }

  private static IntStream produceVersions() {
    return versions(ApiKeys.PRODUCE);
  }

  private static IntStream fetchVersions() {
    return versions(ApiKeys.FETCH);
  }

  private static byte[] frame(Message header, int headerVersion, Message body, int version) {
    return KafkaBytes.frame(written(header, headerVersion), written(body, version));
  }

  private static byte[] written(Message message, int version) {
    ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, (short) version).buffer();
    byte[] bytes = new byte[buffer.remaining()];
    buffer.get(bytes);
    return bytes;
  }

  private static byte[] request(ApiKeys key, int version, int correlation, Message body) {
    RequestHeaderData header =
        new RequestHeaderData()
            .setRequestApiKey(key.id)
            .setRequestApiVersion((short) version)
            .setCorrelationId(correlation)
            .setClientId(CLIENT);
    return frame(header, key.requestHeaderVersion((short) version), body, version);
  }

  private static byte[] response(ApiKeys key, int version, int correlation, Message body) {
    ResponseHeaderData header = new ResponseHeaderData().setCorrelationId(correlation);
    return frame(header, key.responseHeaderVersion((short) version), body, version);
  }

  private static MemoryRecords records(int count) {
    SimpleRecord[] records = new SimpleRecord[count];
    Arrays.setAll(records, i -> new SimpleRecord(new byte[3], new byte[100]));
    return MemoryRecords.withRecords(Compression.gzip().build(), records);
  }

  /** Whole, byte by byte, and as the client reads: the size first. */
  private static List<ClientCall> exchange(byte[] question, byte[] answer) {
    Feed feed = Feed.fresh().out(question).in(answer);
    Feed bytewise = Feed.fresh();
    for (byte b : question) {
      bytewise.out(new byte[] {b});
    }
    for (byte b : answer) {
      bytewise.in(new byte[] {b});
    }
    Feed likeTheClient = Feed.fresh().out(question);
    likeTheClient.in(Arrays.copyOf(answer, 4)).in(Arrays.copyOfRange(answer, 4, answer.length));
    assertThat(bytewise.calls).hasSameSizeAs(feed.calls);
    assertThat(likeTheClient.calls).hasSameSizeAs(feed.calls);
    for (int i = 0; i < feed.calls.size(); i++) {
      assertThat(bytewise.calls.get(i).details()).isEqualTo(feed.calls.get(i).details());
      assertThat(likeTheClient.calls.get(i).details()).isEqualTo(feed.calls.get(i).details());
      assertThat(feed.calls.get(i).bytesOut()).isEqualTo(question.length);
      assertThat(feed.calls.get(i).bytesIn()).isEqualTo(answer.length);
    }
    assertThat(feed.counters.parseErrors.sum()).isZero();
    assertThat(feed.counters.unknownVersions.sum()).isZero();
    return feed.calls;
  }

  private static ProduceRequestData.TopicProduceData produced(
      String topic, Uuid id, int version, int partition, int count) {
    ProduceRequestData.TopicProduceData data = new ProduceRequestData.TopicProduceData();
    if (version >= 13) {
      data.setTopicId(id);
    } else {
      data.setName(topic);
    }
    return data.setPartitionData(
        List.of(
            new ProduceRequestData.PartitionProduceData()
                .setIndex(partition)
                .setRecords(records(count))));
  }

  @ParameterizedTest
  @MethodSource("produceVersions")
  void produce(int version) {
    Uuid id = Uuid.randomUuid();
    KafkaNames.SHARED.topic(
        new java.util.UUID(id.getMostSignificantBits(), id.getLeastSignificantBits()), "orders");
    ProduceRequestData.TopicProduceDataCollection topics =
        new ProduceRequestData.TopicProduceDataCollection();
    topics.add(produced("orders", id, version, 3, 11));
    ProduceRequestData data =
        new ProduceRequestData()
            .setAcks((short) -1)
            .setTimeoutMs(500)
            .setTransactionalId("a-transaction")
            .setTopicData(topics);
    ProduceResponseData.PartitionProduceResponse partition =
        new ProduceResponseData.PartitionProduceResponse()
            .setIndex(3)
            .setErrorCode(Errors.NOT_LEADER_OR_FOLLOWER.code());
    if (version >= 8) {
      partition.setErrorMessage("no leader");
      partition.setRecordErrors(
          List.of(
              new ProduceResponseData.BatchIndexAndErrorMessage()
                  .setBatchIndex(1)
                  .setBatchIndexErrorMessage("bad")));
    }
    if (version >= 10) {
      partition.setCurrentLeader(
          new ProduceResponseData.LeaderIdAndEpoch().setLeaderId(1).setLeaderEpoch(2));
    }
    ProduceResponseData.TopicProduceResponse topic = new ProduceResponseData.TopicProduceResponse();
    if (version >= 13) {
      topic.setTopicId(id);
    } else {
      topic.setName("orders");
    }
    ProduceResponseData.TopicProduceResponseCollection responses =
        new ProduceResponseData.TopicProduceResponseCollection();
    responses.add(topic.setPartitionResponses(List.of(partition)));
    ProduceResponseData answer =
        new ProduceResponseData().setThrottleTimeMs(7).setResponses(responses);
    List<ClientCall> calls =
        exchange(
            request(ApiKeys.PRODUCE, version, 4, data),
            response(ApiKeys.PRODUCE, version, 4, answer));
    assertThat(calls).hasSize(1);
    assertThat(calls.get(0).details())
        .isEqualTo(
            new ClientCall.Messaging("kafka", "send", "send", "orders", 3, 11, CLIENT, null));
    assertThat(calls.get(0).errorType()).isEqualTo("NOT_LEADER_OR_FOLLOWER");
  }

  private static FetchResponseData.PartitionData fetched(int index, MemoryRecords records) {
    return new FetchResponseData.PartitionData()
        .setPartitionIndex(index)
        .setHighWatermark(99)
        .setLastStableOffset(98)
        .setAbortedTransactions(
            List.of(
                new FetchResponseData.AbortedTransaction().setProducerId(1).setFirstOffset(2),
                new FetchResponseData.AbortedTransaction().setProducerId(3).setFirstOffset(4)))
        .setRecords(records);
  }

  @ParameterizedTest
  @MethodSource("fetchVersions")
  void fetch(int version) {
    Uuid id = Uuid.randomUuid();
    KafkaNames.SHARED.topic(
        new java.util.UUID(id.getMostSignificantBits(), id.getLeastSignificantBits()), "orders");
    FetchRequestData data = new FetchRequestData().setMaxWaitMs(5).setMinBytes(1);
    FetchResponseData.PartitionData full = fetched(5, records(13));
    if (version >= 12) {
      full.setDivergingEpoch(new FetchResponseData.EpochEndOffset().setEpoch(3).setEndOffset(4));
    }
    FetchResponseData.FetchableTopicResponse topic =
        new FetchResponseData.FetchableTopicResponse()
            .setPartitions(List.of(fetched(4, MemoryRecords.EMPTY), full));
    if (version >= 13) {
      topic.setTopicId(id);
    } else {
      topic.setTopic("orders");
    }
    FetchResponseData answer = new FetchResponseData().setResponses(List.of(topic));
    if (version >= 16) {
      FetchResponseData.NodeEndpointCollection nodes =
          new FetchResponseData.NodeEndpointCollection();
      nodes.add(new FetchResponseData.NodeEndpoint().setNodeId(1).setHost("h").setPort(2));
      answer.setNodeEndpoints(nodes);
    }
    List<ClientCall> calls =
        exchange(
            request(ApiKeys.FETCH, version, 4, data), response(ApiKeys.FETCH, version, 4, answer));
    assertThat(calls).hasSize(1);
    assertThat(calls.get(0).details())
        .isEqualTo(
            new ClientCall.Messaging("kafka", "poll", "receive", "orders", 5, 13, CLIENT, null));
    assertThat(calls.get(0).errorType()).isNull();
  }

  @Test
  void metadata() {
    for (int version = 10; version <= ApiKeys.METADATA.latestVersion(); version++) {
      Uuid id = Uuid.randomUuid();
      Uuid other = Uuid.randomUuid();
      MetadataResponseData answer = new MetadataResponseData().setClusterId("cluster");
      for (int i = 0; i < 3; i++) {
        answer
            .brokers()
            .add(
                new MetadataResponseData.MetadataResponseBroker()
                    .setNodeId(i)
                    .setHost("h" + i)
                    .setRack(i == 1 ? "rack" : null));
      }
      for (String name : List.of("first", "second")) {
        MetadataResponseData.MetadataResponsePartition partition =
            new MetadataResponseData.MetadataResponsePartition()
                .setReplicaNodes(List.of(1, 2, 3))
                .setIsrNodes(List.of(1))
                .setOfflineReplicas(List.of(2, 3));
        answer
            .topics()
            .add(
                new MetadataResponseData.MetadataResponseTopic()
                    .setName(name)
                    .setTopicId(name.equals("first") ? id : other)
                    .setPartitions(List.of(partition, partition.duplicate())));
      }
      exchange(
          request(ApiKeys.METADATA, version, 2, new MetadataRequestData()),
          response(ApiKeys.METADATA, version, 2, answer));
      assertThat(name(id)).isEqualTo("first");
      assertThat(name(other)).isEqualTo("second");
    }
  }

  private static @Nullable String name(Uuid id) {
    return KafkaNames.SHARED.topic(
        new java.util.UUID(id.getMostSignificantBits(), id.getLeastSignificantBits()));
  }

  @ParameterizedTest
  @EnumSource(
      value = ApiKeys.class,
      names = {
        "OFFSET_COMMIT",
        "JOIN_GROUP",
        "HEARTBEAT",
        "SYNC_GROUP",
        "CONSUMER_GROUP_HEARTBEAT"
      })
  void groups(ApiKeys key) {
    Message body =
        switch (key) {
          case OFFSET_COMMIT -> new OffsetCommitRequestData().setGroupId("the-group");
          case JOIN_GROUP -> new JoinGroupRequestData().setGroupId("the-group");
          case HEARTBEAT -> new HeartbeatRequestData().setGroupId("the-group");
          case SYNC_GROUP -> new SyncGroupRequestData().setGroupId("the-group");
          default -> new ConsumerGroupHeartbeatRequestData().setGroupId("the-group");
        };
    versions(key)
        .forEach(
            version -> {
              String client = key + " " + version;
              byte[] bytes =
                  frame(
                      new RequestHeaderData()
                          .setRequestApiKey(key.id)
                          .setRequestApiVersion((short) version)
                          .setClientId(client),
                      key.requestHeaderVersion((short) version),
                      body,
                      version);
              Feed feed = Feed.fresh().out(bytes);
              assertThat(KafkaNames.SHARED.group(client)).as(client).isEqualTo("the-group");
              assertThat(feed.counters.parseErrors.sum()).isZero();
            });
  }

  @Test
  void everyErrorHasItsName() {
    for (Errors error : Errors.values()) {
      assertThat(KafkaErrors.name(error.code())).isEqualTo(error.name());
    }
    assertThat(KafkaErrors.name(32_000)).isEqualTo("32000");
    assertThat(KafkaErrors.name(-32_000)).isEqualTo("-32000");
  }

  @Test
  void everyRequestOfAClientIsKnown() {
    for (ApiKeys key : ApiKeys.values()) {
      int latest = key.latestVersion(true);
      if (key.id <= 3 || key.id >= 8) {
        boolean known = key.hasValidVersion() && KafkaSyntax.request(key.id, latest);
        assertThat(known).as(key.name()).isEqualTo(key.hasValidVersion());
      }
    }
    assertThat(KafkaSyntax.request(200, 0)).isFalse();
    assertThat(KafkaSyntax.request(-1, 0)).isFalse();
  }
}
