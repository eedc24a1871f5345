/**
 * Spans of another tracer in the same process, the OpenTelemetry agent's or those of an
 * application's own SDK: followed, and given what the kernel knows of them.
 */
@NullMarked
package dev.underspan.bridge.enrich;

import org.jspecify.annotations.NullMarked;
