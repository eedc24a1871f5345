package java.lang;

import java.util.AbstractList;
import java.util.Collection;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.RandomAccess;
import java.util.Set;
import java.util.Spliterator;

/** Entry points for advice on Kafka's clients; as in {@link Underspan}, nothing here throws. */
public final class UnderspanKafka {
  private static volatile UnderspanKafkaRuntime runtime;

  /** The record that this thread is sending. */
  private static final ThreadLocal<Object> SENDING = new ThreadLocal<>();

  /** The record that this thread works on. */
  private static final ThreadLocal<Object> PROCESSING = new ThreadLocal<>();

  /** The request whose answer this thread handles, or whose records it makes. */
  private static final ThreadLocal<Object> ANSWERED = new ThreadLocal<>();

  private UnderspanKafka() {}

  /** Installs the runtime, or removes it with null. */
  public static void install(UnderspanKafkaRuntime newRuntime) {
    runtime = newRuntime;
  }

  // ---- requests of many records ------------------------------------------------------------

  /** A request for records or with such is about to be sent; its header keeps its span. */
  public static void requesting(Object header, String clientId, int correlation) {
    UnderspanKafkaRuntime r = runtime;
    if (r != null && clientId != null) {
      try {
        Underspan.keep(header, r.requesting(clientId, correlation));
      } catch (Throwable t) {
        Underspan.adviceFailed("kafkaRequesting", t);
      }
    }
  }

  /** This thread turns to what a request was answered; {@link #handled} must follow. */
  public static void answered(Object request) {
    if (request != null) {
      ANSWERED.set(request);
    }
  }

  /** It turns away. */
  public static void handled() {
    ANSWERED.remove();
  }

  /** The request to whose answer this thread is at, to be kept with what it makes of that. */
  public static Object answer() {
    return ANSWERED.get();
  }

  // ---- producer ------------------------------------------------------------------------------

  /** A record is about to be sent; {@link #sent} must follow on this thread. */
  public static Object sending(String topic, Integer partition, String clientId, byte[] parent) {
    UnderspanKafkaRuntime r = runtime;
    if (r != null) {
      try {
        Object sending = r.sending(topic, partition == null ? -1 : partition, clientId, parent);
        if (sending != null) {
          SENDING.set(sending);
        }
        return sending;
      } catch (Throwable t) {
        Underspan.adviceFailed("kafkaSending", t);
      }
    }
    return null;
  }

  /** Names and values, alternating, that the record's headers are to have; or null. */
  public static String[] headers(Object sending) {
    UnderspanKafkaRuntime r = runtime;
    if (r != null && sending != null) {
      try {
        return r.headers(sending);
      } catch (Throwable t) {
        Underspan.adviceFailed("kafkaHeaders", t);
      }
    }
    return null;
  }

  /** What this thread is sending, to be kept with what is told of the acknowledgement. */
  public static Object sending() {
    return SENDING.get();
  }

  /** The record that this thread is sending is refused; the caller learns it later. */
  public static void refused(Throwable error) {
    Underspan.restored(acknowledged(SENDING.get(), -1, -1, error));
  }

  /** This thread has given away what it was sending. */
  public static void sent(Throwable error) {
    Object sending = SENDING.get();
    if (sending != null) {
      SENDING.remove();
      UnderspanKafkaRuntime r = runtime;
      if (r != null) {
        try {
          r.sent(sending, error);
        } catch (Throwable t) {
          Underspan.adviceFailed("kafkaSent", t);
        }
      }
    }
  }

  /** There is an acknowledgement, or will be none; {@link Underspan#restored} must follow. */
  public static Object acknowledged(Object sending, int partition, long offset, Throwable error) {
    UnderspanKafkaRuntime r = runtime;
    if (r != null && sending != null) {
      try {
        return r.acknowledged(sending, partition, offset, error, ANSWERED.get());
      } catch (Throwable t) {
        Underspan.adviceFailed("kafkaAcknowledged", t);
      }
    }
    return null;
  }

  // ---- consumer ------------------------------------------------------------------------------

  private static final String STREAMS = "org.apache.kafka.streams.processor.internals.StreamThread";

  /** Who consumes, to be kept with the consumer. */
  public static Object consumer(String group, String clientId) {
    return new Consumer(group, clientId);
  }

  /** A consumer has polled these records. */
  public static void polled(Object consumer, Object records) {
    UnderspanKafkaRuntime r = runtime;
    try {
      // Kafka Streams only puts them into queues of its own.
      if (r != null
          && consumer instanceof Consumer known
          && !Thread.currentThread().getClass().getName().equals(STREAMS)
          && r.isProcessingWanted()) {
        Underspan.keep(records, new Polled(known));
      }
    } catch (Throwable t) {
      Underspan.adviceFailed("kafkaPolled", t);
    }
  }

  /** Records of a poll, all of them or those of one topic or partition, are looked through. */
  public static <T> Iterator<T> iterator(Object polled, Iterator<T> records) {
    return polled instanceof Polled known ? known.iterator(known, records) : records;
  }

  /** The same when the application asks for its iterator. */
  public static <T> Iterable<T> iterable(Object polled, Object part, Iterable<T> records) {
    return polled instanceof Polled known ? new RecordIterable<>(known, part, records) : records;
  }

  /** The same of a list. */
  public static <T> List<T> list(Object polled, Object part, List<T> records) {
    return polled instanceof Polled known ? new RecordList<>(known, part, records) : records;
  }

  /** This thread is through with the record that it worked on. */
  public static void processed() {
    Object processing = PROCESSING.get();
    if (processing != null) {
      PROCESSING.remove();
      processed(processing);
    }
  }

  private static void processed(Object processing) {
    UnderspanKafkaRuntime r = runtime;
    if (r != null) {
      try {
        r.processed(processing);
      } catch (Throwable t) {
        Underspan.adviceFailed("kafkaProcessed", t);
      }
    }
  }

  private static Object processing(Object record, Consumer consumer) {
    UnderspanKafkaRuntime r = runtime;
    if (r != null && record != null) {
      try {
        Object processing =
            r.processing(record, consumer.group, consumer.clientId, Underspan.capturedBy(record));
        if (processing != null) {
          PROCESSING.set(processing);
        }
        return processing;
      } catch (Throwable t) {
        Underspan.adviceFailed("kafkaProcessing", t);
      }
    }
    return null;
  }

  private static final class Consumer {
    final String group;
    final String clientId;

    Consumer(String group, String clientId) {
      this.group = group;
      this.clientId = clientId;
    }
  }

  /** What a poll has brought; whoever looks through it a second time does not process it again. */
  private static final class Polled {
    final Consumer consumer;
    private final Set<Object> begun = new HashSet<>(2);

    Polled(Consumer consumer) {
      this.consumer = consumer;
    }

    /**
     * Of a part, only the first iterator tells of processing.
     *
     * @param part a topic, a partition, or this for all
     */
    <T> Iterator<T> iterator(Object part, Iterator<T> records) {
      return isFirst(part) ? new Records<>(this, records) : records;
    }

    private synchronized boolean isFirst(Object part) {
      return !begun.contains(this) && (part != this || begun.isEmpty()) && begun.add(part);
    }
  }

  /** A record is worked on until the next one is asked for, or there is none. */
  private static final class Records<T> implements Iterator<T> {
    private final Polled polled;
    private final Iterator<T> records;
    private Object open;

    Records(Polled polled, Iterator<T> records) {
      this.polled = polled;
      this.records = records;
    }

    private void close() {
      Object last = open;
      if (last != null) {
        open = null;
        if (PROCESSING.get() == last) {
          PROCESSING.remove();
        }
        processed(last);
      }
    }

    @Override
    public boolean hasNext() {
      boolean more = records.hasNext();
      if (!more) {
        close();
      }
      return more;
    }

    @Override
    public T next() {
      close();
      processed(); // a loop over others that was left early
      T next = records.next();
      open = processing(next, polled.consumer);
      return next;
    }

    @Override
    public void remove() {
      records.remove();
    }
  }

  private static final class RecordIterable<T> implements Iterable<T> {
    private final Polled polled;
    private final Object part;
    private final Iterable<T> records;

    RecordIterable(Polled polled, Object part, Iterable<T> records) {
      this.polled = polled;
      this.part = part;
      this.records = records;
    }

    @Override
    public Iterator<T> iterator() {
      return polled.iterator(part, records.iterator());
    }

    @Override
    public Spliterator<T> spliterator() {
      return records.spliterator();
    }
  }

  /** Only a loop over it is processing; copying, searching and streaming are not. */
  private static final class RecordList<T> extends AbstractList<T> implements RandomAccess {
    private final Polled polled;
    private final Object part;
    private final List<T> records;

    RecordList(Polled polled, Object part, List<T> records) {
      this.polled = polled;
      this.part = part;
      this.records = records;
    }

    @Override
    public Iterator<T> iterator() {
      return polled.iterator(part, records.iterator());
    }

    @Override
    public T get(int index) {
      return records.get(index);
    }

    @Override
    public int size() {
      return records.size();
    }

    @Override
    public Object[] toArray() {
      return records.toArray();
    }

    @Override
    public <A> A[] toArray(A[] array) {
      return records.toArray(array);
    }

    @Override
    public boolean contains(Object record) {
      return records.contains(record);
    }

    @Override
    public boolean containsAll(Collection<?> others) {
      return records.containsAll(others);
    }

    @Override
    public Spliterator<T> spliterator() {
      return records.spliterator();
    }

    @Override
    public List<T> subList(int from, int to) {
      return records.subList(from, to);
    }

    @Override
    public boolean equals(Object other) {
      return records.equals(other);
    }

    @Override
    public int hashCode() {
      return records.hashCode();
    }

    @Override
    public String toString() {
      return records.toString();
    }
  }
}
