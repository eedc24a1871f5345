package dev.underspan.bridge.span;

import static io.opentelemetry.api.common.AttributeKey.longKey;
import static io.opentelemetry.api.common.AttributeKey.stringKey;

import dev.underspan.bridge.wire.ClientCall;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;

/**
 * Calls to message brokers by OpenTelemetry's messaging conventions, which are experimental still,
 * so that the library of stable names does not have theirs.
 *
 * <p>The kind of span is CLIENT for either direction: PRODUCER is for a span whose context travels
 * with the messages, and ours does not; receiving is CLIENT by those conventions.
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

  private MessagingAttributes() {}

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
