package java.lang;

/**
 * What the agent does when advice on Kafka's clients calls, on the application's threads and the
 * producer's sender. {@link UnderspanKafka} catches and counts whatever is thrown.
 */
public interface UnderspanKafkaRuntime {
  /**
   * A record is about to be sent by this thread.
   *
   * @param partition -1 if the producer is to choose
   * @param traceparent the record's header of that name, or null
   * @return goes to the methods below; null when there is no span
   */
  Object sending(String topic, int partition, String clientId, byte[] traceparent);

  /** Names and values, alternating, that the record's headers are to have; or null. */
  String[] headers(Object sending);

  /** This thread has given the record away, unless it failed with an error. */
  void sent(Object sending, Throwable error);

  /**
   * The broker has acknowledged it, or there will be no acknowledgement, on any thread.
   *
   * @param offset -1 if not known
   * @param request of {@link #requesting}; null if there is none, or no answer
   * @return what makes the sender's context current, for {@link Underspan#restored}; or null
   */
  Object acknowledged(Object sending, int partition, long offset, Throwable error, Object request);

  /**
   * A client is about to send a request for records or with such.
   *
   * @return stands for its span, which is not made yet; null if there will be none
   */
  Object requesting(String clientId, int correlation);

  /** Whether records have spans while they are processed. */
  boolean isProcessingWanted();

  /**
   * This thread turns to a record.
   *
   * @param request of {@link #requesting}, that has brought the record; null if not known
   * @return null when there is no span
   */
  Object processing(Object record, String group, String clientId, Object request);

  /** It turns away from it, or another thread does. */
  void processed(Object processing);
}
