/**
 * What the agent changes in the application's and the JDK's classes: one instrumentation, one
 * class.
 */
@NullMarked
package dev.underspan.instrument;

import org.jspecify.annotations.NullMarked;
