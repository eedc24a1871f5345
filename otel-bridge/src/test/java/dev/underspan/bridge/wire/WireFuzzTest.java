package dev.underspan.bridge.wire;

import com.code_intelligence.jazzer.junit.FuzzTest;

/**
 * Every reader of a protocol against bytes of any kind, guided by what they reach (Jazzer); what
 * must hold is in {@link WireFuzz}.
 *
 * <p>A build runs it twice: once with the inputs kept in WireFuzzTestInputs alone, then fuzzing for
 * a few seconds (the surefire execution {@code fuzz}, which sets JAZZER_FUZZ). {@code make fuzz}
 * fuzzes for ten minutes, {@code make fuzz FUZZ_FOR=2h} for longer. What is found to be of interest
 * is kept in .cifuzz-corpus, for the next time; an input that fails, in WireFuzzTestInputs, where
 * it fails in each build from then on. The inputs there to begin with were written by {@link
 * WireFuzzSeeds}.
 */
class WireFuzzTest {
  @FuzzTest(maxDuration = "4s")
  void chunks(byte[] input) {
    WireFuzz.run(input);
  }
}
