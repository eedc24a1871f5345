package dev.underspan.bridge.wire;

/** Whether bytes begin a protocol. */
enum Match {
  NO,
  /** Too few to tell. */
  MAYBE,
  YES
}
