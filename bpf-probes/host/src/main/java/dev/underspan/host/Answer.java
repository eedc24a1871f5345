package dev.underspan.host;

/** What a trial says. A refusal for lack of rights is no NO: the kernel may well be able to. */
public enum Answer {
  YES,
  NO,
  UNKNOWN
}
