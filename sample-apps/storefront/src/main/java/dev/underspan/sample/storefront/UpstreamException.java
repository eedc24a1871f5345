package dev.underspan.sample.storefront;

/** Another service of the shop answered, but not with success. */
final class UpstreamException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String service;
  private final int status;

  UpstreamException(String service, int status) {
    super(service + " answered " + status);
    this.service = service;
    this.status = status;
  }

  String service() {
    return service;
  }

  int status() {
    return status;
  }
}
