/** Makes OpenTelemetry spans of requests and calls, with their time budget. */
@NullMarked
package dev.underspan.bridge.span;

import org.jspecify.annotations.NullMarked;
