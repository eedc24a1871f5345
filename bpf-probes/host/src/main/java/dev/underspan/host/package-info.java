/** The only code with native access: loads, attaches, maps and reads the BPF programs. */
@NullMarked
package dev.underspan.host;

import org.jspecify.annotations.NullMarked;
