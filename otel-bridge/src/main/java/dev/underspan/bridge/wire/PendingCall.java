package dev.underspan.bridge.wire;

import org.jspecify.annotations.Nullable;

/** The protocol independent part of a call in flight. */
class PendingCall {
  private final long startNs;
  private @Nullable TraceHead parent;
  private final @Nullable Object accountBegin;
  private final int rttBegin;
  private final int retransmitsBegin;
  private long requestEndNs;
  private long firstByteNs;
  private long lastReceivedNs;
  private long bytesOut;
  private long bytesIn;
  private @Nullable Object accountEnd;
  private int rttEnd;
  private int retransmitsEnd;
  private boolean answered;

  PendingCall(Chunk first) {
    startNs = first.timeNs;
    requestEndNs = first.timeNs;
    parent = first.head;
    accountBegin = first.account;
    rttBegin = first.rttMicros;
    retransmitsBegin = first.retransmits;
    rttEnd = rttBegin;
    retransmitsEnd = retransmitsBegin;
  }

  /** The same call, read on by another protocol. */
  PendingCall(PendingCall other) {
    startNs = other.startNs;
    parent = other.parent;
    accountBegin = other.accountBegin;
    rttBegin = other.rttBegin;
    retransmitsBegin = other.retransmitsBegin;
    requestEndNs = other.requestEndNs;
    firstByteNs = other.firstByteNs;
    lastReceivedNs = other.lastReceivedNs;
    bytesOut = other.bytesOut;
    bytesIn = other.bytesIn;
    accountEnd = other.accountEnd;
    rttEnd = other.rttEnd;
    retransmitsEnd = other.retransmitsEnd;
    answered = other.answered;
  }

  /** It may be another's: what the sending thread's span was says nothing. */
  final void forgetParent() {
    parent = null;
  }

  final void sent(Chunk chunk, long bytes) {
    requestEndNs = chunk.timeNs;
    bytesOut += bytes;
  }

  final void received(Chunk chunk, long bytes) {
    if (!answered) {
      answered = true;
      firstByteNs = chunk.arrivalNs != 0 ? chunk.arrivalNs : chunk.timeNs;
    }
    lastReceivedNs = chunk.timeNs;
    bytesIn += bytes;
    accountEnd = chunk.account;
    rttEnd = chunk.rttMicros;
    retransmitsEnd = chunk.retransmits;
  }

  /** By which the client tells it from its others; -1 if the protocol has none. */
  int callNumber() {
    return -1;
  }

  final boolean answered() {
    return answered;
  }

  final long lastReceivedNs() {
    return lastReceivedNs;
  }

  final ClientCall toCall(
      ConnectionInfo connection,
      boolean first,
      long endNs,
      @Nullable String errorType,
      boolean complete,
      ClientCall.Details details) {
    return new ClientCall(
        connection,
        first,
        startNs,
        requestEndNs,
        firstByteNs,
        endNs,
        parent,
        bytesOut,
        bytesIn,
        accountBegin,
        accountEnd,
        rttBegin,
        rttEnd,
        retransmitsBegin,
        retransmitsEnd,
        errorType,
        complete,
        callNumber(),
        details);
  }
}
