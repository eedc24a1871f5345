/** Reads application protocols from bounded prefixes of what a socket carried. */
@NullMarked
package dev.underspan.bridge.wire;

import org.jspecify.annotations.NullMarked;
