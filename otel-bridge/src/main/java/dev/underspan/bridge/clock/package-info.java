/** Turns the kernel's monotonic time into epoch time. */
@NullMarked
package dev.underspan.bridge.clock;

import org.jspecify.annotations.NullMarked;
