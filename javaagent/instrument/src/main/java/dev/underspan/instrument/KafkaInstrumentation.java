package dev.underspan.instrument;

import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import net.bytebuddy.asm.Advice;
import org.apache.kafka.clients.ClientResponse;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.requests.RequestHeader;
import org.jspecify.annotations.Nullable;

/**
 * Kafka's clients. A record that is sent has a span from send() to its acknowledgement, which its
 * headers name, and the application's callback is called in the context of send(). A record that a
 * poll has brought has a span while a loop over the records is at it.
 */
final class KafkaInstrumentation {
  private static final String PRODUCER = "org.apache.kafka.clients.producer.KafkaProducer";
  private static final String CONSUMER = "org.apache.kafka.clients.consumer.KafkaConsumer";
  private static final String FETCHED =
      "org.apache.kafka.clients.consumer.internals.CompletedFetch";
  private static final String RECORDS = "org.apache.kafka.clients.consumer.ConsumerRecords";

  static final List<Hook> HOOKS =
      List.of(
          Hook.of(PRODUCER, "doSend", null, Send.class),
          Hook.of(PRODUCER + "$FutureFailure", "<init>", "(Ljava/lang/Exception;)", Refused.class),
          appended(PRODUCER + "$AppendCallbacks"),
          acknowledged(PRODUCER + "$AppendCallbacks"),
          // Before Kafka 3.5.
          appended(PRODUCER + "$InterceptorCallback"),
          acknowledged(PRODUCER + "$InterceptorCallback"),
          Hook.of(
              CONSUMER,
              "<init>",
              "(Lorg/apache/kafka/clients/consumer/ConsumerConfig;",
              Consumer.class),
          Hook.of(CONSUMER, "poll", "(Ljava/time/Duration;)", Poll.class),
          Hook.of(CONSUMER, "poll", "(J)", Poll.class),
          Hook.of(CONSUMER, "close", null, Close.class),
          // The request that carried a record to the broker, or brought it.
          Hook.of("org.apache.kafka.clients.ClientRequest", "makeHeader", "(S)", Request.class),
          Hook.of("org.apache.kafka.common.requests.RequestHeader", "<init>", null, Keeps.class),
          Hook.of(
              "org.apache.kafka.clients.producer.internals.Sender",
              "handleProduceResponse",
              "(Lorg/apache/kafka/clients/ClientResponse;",
              Produced.class),
          Hook.of(
              "org.apache.kafka.clients.consumer.internals.AbstractFetch",
              "handleFetchSuccess",
              null,
              Fetched.class),
          Hook.of(FETCHED, "<init>", null, Keeps.class),
          Hook.of(FETCHED, "fetchRecords", null, Taken.class),
          Hook.of("org.apache.kafka.clients.consumer.ConsumerRecord", "<init>", null, Keeps.class),
          Hook.of(RECORDS, "iterator", "()", All.class),
          Hook.of(RECORDS, "records", "(Ljava/lang/String;)", OfTopic.class),
          Hook.of(
              RECORDS, "records", "(Lorg/apache/kafka/common/TopicPartition;)", OfPartition.class));

  /** Advice whose class gets the field. */
  static final Set<String> KEEPING =
      Set.of(
          Appended.class.getName(),
          Consumer.class.getName(),
          Keeps.class.getName(),
          All.class.getName());

  private KafkaInstrumentation() {}

  private static Hook appended(String type) {
    return Hook.of(type, "<init>", null, Appended.class);
  }

  private static Hook acknowledged(String type) {
    return Hook.of(type, "onCompletion", null, Acknowledged.class);
  }

  static final class Send {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.Argument(0) ProducerRecord<?, ?> record,
        @Advice.FieldValue("clientId") String clientId) {
      Headers headers = record.headers();
      Header present = headers.lastHeader("traceparent");
      Object sending =
          UnderspanKafka.sending(
              record.topic(),
              record.partition(),
              clientId,
              present == null ? null : present.value());
      String[] wanted = UnderspanKafka.headers(sending);
      if (wanted == null) {
        return;
      }
      try {
        for (int i = 0; i + 1 < wanted.length; i += 2) {
          if (present != null) {
            headers.remove(wanted[i]);
          }
          if (headers.lastHeader(wanted[i]) == null) {
            headers.add(wanted[i], wanted[i + 1].getBytes(StandardCharsets.UTF_8));
          }
        }
      } catch (IllegalStateException e) {
        // Read-only since the record was sent before; its headers stay.
      }
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.Thrown @Nullable Throwable thrown) {
      UnderspanKafka.sent(thrown);
    }
  }

  static final class Refused {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(@Advice.Argument(0) Exception error) {
      UnderspanKafka.refused(error);
    }
  }

  static final class Appended {
    @Advice.OnMethodExit(suppress = Throwable.class)
    @SuppressWarnings("UnusedVariable") // it is the object's field
    static void exit(
        @Advice.FieldValue(value = CarrierInstrumentation.FIELD, readOnly = false) Object sending) {
      sending = UnderspanKafka.sending();
    }
  }

  static final class Acknowledged {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(
        @Advice.FieldValue(CarrierInstrumentation.FIELD) @Nullable Object sending,
        @Advice.Argument(0) @Nullable RecordMetadata metadata,
        @Advice.Argument(1) @Nullable Exception error) {
      return metadata == null || error != null
          ? UnderspanKafka.acknowledged(sending, -1, -1, error)
          : UnderspanKafka.acknowledged(sending, metadata.partition(), metadata.offset(), null);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.Enter @Nullable Object scope) {
      Underspan.restored(scope);
    }
  }

  static final class Consumer {
    @Advice.OnMethodExit(suppress = Throwable.class)
    @SuppressWarnings("UnusedVariable") // it is the object's field
    static void exit(
        @Advice.FieldValue(value = CarrierInstrumentation.FIELD, readOnly = false) Object consumer,
        @Advice.Argument(0) ConsumerConfig config) {
      consumer =
          UnderspanKafka.consumer(config.getString("group.id"), config.getString("client.id"));
    }
  }

  static final class Poll {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter() {
      UnderspanKafka.processed();
    }

    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(
        @Advice.FieldValue(CarrierInstrumentation.FIELD) @Nullable Object consumer,
        @Advice.Return ConsumerRecords<?, ?> records) {
      if (!records.isEmpty()) {
        UnderspanKafka.polled(consumer, records);
      }
    }
  }

  static final class Close {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter() {
      UnderspanKafka.processed();
    }
  }

  /** Of requests that carry records or bring them. */
  static final class Request {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(@Advice.Return RequestHeader header) {
      if (header.apiKey() == ApiKeys.PRODUCE || header.apiKey() == ApiKeys.FETCH) {
        UnderspanKafka.requesting(header, header.clientId(), header.correlationId());
      }
    }
  }

  /** What is made of an answer knows of which. */
  static final class Keeps {
    @Advice.OnMethodExit(suppress = Throwable.class)
    @SuppressWarnings("UnusedVariable") // it is the object's field
    static void exit(
        @Advice.FieldValue(value = CarrierInstrumentation.FIELD, readOnly = false) Object request) {
      request = UnderspanKafka.answer();
    }
  }

  static final class Produced {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(0) ClientResponse response) {
      UnderspanKafka.answered(Underspan.capturedBy(response.requestHeader()));
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit() {
      UnderspanKafka.handled();
    }
  }

  static final class Fetched {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(2) ClientResponse response) {
      UnderspanKafka.answered(Underspan.capturedBy(response.requestHeader()));
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit() {
      UnderspanKafka.handled();
    }
  }

  static final class Taken {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.FieldValue(CarrierInstrumentation.FIELD) @Nullable Object request) {
      UnderspanKafka.answered(request);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit() {
      UnderspanKafka.handled();
    }
  }

  static final class All {
    @Advice.OnMethodExit(suppress = Throwable.class)
    @SuppressWarnings("UnusedVariable") // it is what is returned
    static void exit(
        @Advice.FieldValue(CarrierInstrumentation.FIELD) @Nullable Object polled,
        @Advice.Return(readOnly = false) Iterator<?> records) {
      records = UnderspanKafka.iterator(polled, records);
    }
  }

  static final class OfTopic {
    @Advice.OnMethodExit(suppress = Throwable.class)
    @SuppressWarnings("UnusedVariable") // it is what is returned
    static void exit(
        @Advice.FieldValue(CarrierInstrumentation.FIELD) @Nullable Object polled,
        @Advice.Argument(0) String topic,
        @Advice.Return(readOnly = false) Iterable<?> records) {
      records = UnderspanKafka.iterable(polled, topic, records);
    }
  }

  static final class OfPartition {
    @Advice.OnMethodExit(suppress = Throwable.class)
    @SuppressWarnings("UnusedVariable") // it is what is returned
    static void exit(
        @Advice.FieldValue(CarrierInstrumentation.FIELD) @Nullable Object polled,
        @Advice.Argument(0) TopicPartition partition,
        @Advice.Return(readOnly = false) List<?> records) {
      records = UnderspanKafka.list(polled, partition, records);
    }
  }
}
