/** Which span is current on which thread, in Java and in the ledger. */
@NullMarked
package dev.underspan.bridge.activity;

import org.jspecify.annotations.NullMarked;
