/** Wires the agent together: configuration, start order, degradation, shutdown, command line. */
@NullMarked
package dev.underspan.runtime;

import org.jspecify.annotations.NullMarked;
