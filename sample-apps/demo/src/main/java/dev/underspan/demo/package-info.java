/**
 * The demo's viewer: receives spans over OTLP/HTTP, draws a trace in the terminal and says in one
 * sentence where its time went.
 */
@NullMarked
package dev.underspan.demo;

import org.jspecify.annotations.NullMarked;
