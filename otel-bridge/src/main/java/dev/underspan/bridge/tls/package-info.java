/**
 * Plaintext of TLS connections, taken where the JVM has it, and joined to the kernel's events of
 * the socket by the ciphertext that both saw.
 *
 * <p>Two sides. {@link dev.underspan.bridge.tls.TlsTap} runs on the application's threads, often
 * under its locks: it copies a bounded prefix and hands it over by a lock-free queue. {@link
 * dev.underspan.bridge.tls.TlsJoin} has all state of the join and runs on the thread that reads
 * events.
 */
@NullMarked
package dev.underspan.bridge.tls;

import org.jspecify.annotations.NullMarked;
