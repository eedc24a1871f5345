/** Maps that hold no more than they should: for as long as an object lives, or up to a size. */
@NullMarked
package dev.underspan.bridge.map;

import org.jspecify.annotations.NullMarked;
