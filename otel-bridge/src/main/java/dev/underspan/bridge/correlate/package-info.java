/** Takes socket events to the connections they belong to. */
@NullMarked
package dev.underspan.bridge.correlate;

import org.jspecify.annotations.NullMarked;
