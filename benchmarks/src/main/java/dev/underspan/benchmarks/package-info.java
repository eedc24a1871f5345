/**
 * What the hot paths cost, measured by JMH against the targets that the project set itself. Not
 * null-marked, since JMH wants fields that only a set-up method fills.
 */
package dev.underspan.benchmarks;
