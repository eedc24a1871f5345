package dev.underspan.bridge.wire;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Where the protocols of one connection hand in their calls. */
final class Calls {
  private final ConnectionInfo info;
  private final Consumer<ClientCall> sink;
  private final WireCounters counters;
  private boolean first;

  Calls(ConnectionInfo info, Consumer<ClientCall> sink, WireCounters counters) {
    this.info = info;
    this.sink = sink;
    this.counters = counters;
    this.first = !info.joinedMidway();
  }

  void emit(
      PendingCall call,
      long endNs,
      @Nullable String errorType,
      boolean complete,
      ClientCall.Details details) {
    ClientCall result = call.toCall(info, first, endNs, errorType, complete, details);
    first = false;
    counters.calls.increment();
    sink.accept(result);
  }
}
