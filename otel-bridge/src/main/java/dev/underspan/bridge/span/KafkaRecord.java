package dev.underspan.bridge.span;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** How to ask a consumer's record, of whichever copy of Kafka's client; looked up once a class. */
final class KafkaRecord {
  private static final ClassValue<KafkaRecord> BY_CLASS =
      new ClassValue<>() {
        @Override
        protected KafkaRecord computeValue(Class<?> type) {
          try {
            return new KafkaRecord(type);
          } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException(e);
          }
        }
      };

  private static final MethodType GETTER = MethodType.methodType(Object.class, Object.class);

  private final MethodHandle topic;
  private final MethodHandle partition;
  private final MethodHandle offset;
  private final MethodHandle headers;
  private final MethodHandle lastHeader;
  private final MethodHandle value;

  private KafkaRecord(Class<?> type) throws ReflectiveOperationException {
    topic = getter(type, "topic", String.class);
    partition = getter(type, "partition", int.class);
    offset = getter(type, "offset", long.class);
    Class<?> headersType = type.getMethod("headers").getReturnType();
    headers = getter(type, "headers", headersType);
    Class<?> headerType = headersType.getMethod("lastHeader", String.class).getReturnType();
    lastHeader =
        MethodHandles.publicLookup()
            .findVirtual(headersType, "lastHeader", MethodType.methodType(headerType, String.class))
            .asType(MethodType.methodType(Object.class, Object.class, String.class));
    value = getter(headerType, "value", byte[].class);
  }

  private static MethodHandle getter(Class<?> type, String name, Class<?> result)
      throws ReflectiveOperationException {
    return MethodHandles.publicLookup()
        .findVirtual(type, name, MethodType.methodType(result))
        .asType(GETTER);
  }

  /**
   * For records of this class.
   *
   * @throws IllegalArgumentException if they are not as expected
   */
  static KafkaRecord of(Object record) {
    return BY_CLASS.get(record.getClass());
  }

  String topic(Object record) {
    return String.valueOf(get(topic, record));
  }

  int partition(Object record) {
    return get(partition, record) instanceof Integer number ? number : -1;
  }

  long offset(Object record) {
    return get(offset, record) instanceof Long number ? number : -1;
  }

  /** The last header of that name as text; null if there is none. */
  @Nullable String header(Object record, String name) {
    Object all = get(headers, record);
    Object header;
    try {
      header = all == null ? null : (Object) lastHeader.invokeExact(all, name);
    } catch (Throwable t) {
      throw new IllegalStateException(t);
    }
    return header != null && get(value, header) instanceof byte[] bytes
        ? new String(bytes, StandardCharsets.UTF_8)
        : null;
  }

  private static @Nullable Object get(MethodHandle getter, Object of) {
    try {
      return (Object) getter.invokeExact(of);
    } catch (Throwable t) {
      throw new IllegalStateException(t);
    }
  }
}
