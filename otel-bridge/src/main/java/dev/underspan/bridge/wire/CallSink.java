package dev.underspan.bridge.wire;

import java.util.function.Consumer;

/** Takes the calls read from the wire, on the thread that feeds the chunks. */
@FunctionalInterface
public interface CallSink extends Consumer<ClientCall> {}
