/** What C and Java share: the generated layout and views over mapped memory. JDK only. */
@NullMarked
package dev.underspan.abi;

import org.jspecify.annotations.NullMarked;
