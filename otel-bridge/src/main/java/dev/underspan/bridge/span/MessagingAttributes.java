package dev.underspan.bridge.span;

import static io.opentelemetry.api.common.AttributeKey.longKey;
import static io.opentelemetry.api.common.AttributeKey.stringKey;

import dev.underspan.bridge.wire.ClientCall;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import org.jspecify.annotations.Nullable;

/**
 * Messages by OpenTelemetry's messaging conventions, which are experimental still, so that the
 * library of stable names does not have theirs.
 *
 * <p>The kind of a call to a broker is CLIENT in either direction: PRODUCER and CONSUMER are for
 * spans of messages whose context travels with them, see {@link MessageSpan}.
 */
final class MessagingAttributes {
  private static final AttributeKey<String> SYSTEM = stringKey("messaging.system");
  private static final AttributeKey<String> OPERATION = stringKey("messaging.operation.name");
  private static final AttributeKey<String> TYPE = stringKey("messaging.operation.type");
  private static final AttributeKey<String> DESTINATION = stringKey("messaging.destination.name");
  private static final AttributeKey<String> PARTITION =
      stringKey("messaging.destination.partition.id");
  private static final AttributeKey<Long> MESSAGES = longKey("messaging.batch.message_count");
  private static final AttributeKey<String> CLIENT = stringKey("messaging.client.id");
  private static final AttributeKey<String> GROUP = stringKey("messaging.consumer.group.name");

  private static final AttributeKey<Long> OFFSET = longKey("messaging.kafka.offset");

  private MessagingAttributes() {}

  /** A message of Kafka's; the operation's name is its type. */
  static void describe(Span span, String operation, String topic, @Nullable String client) {
    span.setAttribute(SYSTEM, "kafka");
    span.setAttribute(OPERATION, operation);
    span.setAttribute(TYPE, operation);
    span.setAttribute(DESTINATION, topic);
    span.setAttribute(CLIENT, client);
  }

  static void group(Span span, @Nullable String group) {
    span.setAttribute(GROUP, group);
  }

  /** Where the message is; -1 for what is not known. */
  static void place(Span span, int partition, long offset) {
    if (partition >= 0) {
      span.setAttribute(PARTITION, Integer.toString(partition));
    }
    if (offset >= 0) {
      span.setAttribute(OFFSET, offset);
    }
  }

  static String name(ClientCall.Messaging call) {
    return call.destination() == null
        ? call.operation()
        : call.operation() + " " + call.destination();
  }

  static void describe(Span span, ClientCall.Messaging call) {
    span.setAttribute(SYSTEM, call.system());
    span.setAttribute(OPERATION, call.operation());
    span.setAttribute(TYPE, call.type());
    span.setAttribute(DESTINATION, call.destination());
    if (call.partition() >= 0) {
      span.setAttribute(PARTITION, Integer.toString(call.partition()));
    }
    Keys.set(span, MESSAGES, call.messages());
    span.setAttribute(CLIENT, call.clientId());
    span.setAttribute(GROUP, call.group());
  }
}
