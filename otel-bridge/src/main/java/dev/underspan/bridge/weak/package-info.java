/** What is known of objects of the application's, for as long as they live. */
@NullMarked
package dev.underspan.bridge.weak;

import org.jspecify.annotations.NullMarked;
