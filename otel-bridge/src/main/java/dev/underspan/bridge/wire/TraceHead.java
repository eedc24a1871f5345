package dev.underspan.bridge.wire;

/**
 * The identity of a span: 128 bit trace id, 64 bit span id, W3C trace flags (lowest 8 bits).
 *
 * @param traceIdHigh first 16 hex digits of the trace id
 * @param traceIdLow last 16 hex digits of the trace id
 * @param spanId the span id
 * @param flags W3C trace flags, bit 0 = sampled
 */
public record TraceHead(long traceIdHigh, long traceIdLow, long spanId, int flags) {}
