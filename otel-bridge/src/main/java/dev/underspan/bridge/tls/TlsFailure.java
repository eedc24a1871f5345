package dev.underspan.bridge.tls;

import dev.underspan.bridge.wire.TraceHead;
import org.jspecify.annotations.Nullable;

/**
 * A handshake that failed.
 *
 * @param timeNs when, CLOCK_MONOTONIC
 * @param type the exception's class
 * @param head the span current on the thread that failed
 */
record TlsFailure(long timeNs, String type, @Nullable TraceHead head) {}
