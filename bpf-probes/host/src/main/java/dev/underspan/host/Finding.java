package dev.underspan.host;

/**
 * An answer with its reason.
 *
 * @param reason for people; empty where yes says it all
 */
public record Finding(Answer answer, String reason) {
  /** Yes, and nothing more to say. */
  public static Finding yes() {
    return yes("");
  }

  public static Finding yes(String reason) {
    return new Finding(Answer.YES, reason);
  }

  public static Finding no(String reason) {
    return new Finding(Answer.NO, reason);
  }

  public static Finding unknown(String reason) {
    return new Finding(Answer.UNKNOWN, reason);
  }

  /** No; or unknown, when only rights were missing. */
  public static Finding of(ProbeException problem) {
    String reason = String.valueOf(problem.getMessage());
    return switch (problem.errno()) {
      case Errno.EPERM, Errno.EACCES -> unknown(reason);
      default -> no(reason);
    };
  }

  public boolean isYes() {
    return answer == Answer.YES;
  }
}
