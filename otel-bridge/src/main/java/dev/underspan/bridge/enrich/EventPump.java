package dev.underspan.bridge.enrich;

/** Reads kernel events that lie unread, on the calling thread. */
public interface EventPump {
  /**
   * Takes what the kernel has written before this call, up to a bound in number and time.
   *
   * @return false when it had to give up
   */
  boolean pump();
}
