/** The OpenTelemetry SDK, configured as its own documentation says. */
@NullMarked
package dev.underspan.bridge.export;

import org.jspecify.annotations.NullMarked;
