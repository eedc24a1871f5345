/** {@code java -jar underspan.jar doctor}: what a JVM started here would get, and why. */
@org.jspecify.annotations.NullMarked
package dev.underspan.runtime.doctor;
