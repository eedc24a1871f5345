package dev.underspan.bridge.span;

/** The host and port part of a URL (RFC 3986, 3.2). */
final class Authority {
  private Authority() {}

  /** The host of {@code host[:port]}; an IPv6 address keeps its brackets. */
  static String host(String authority) {
    int colon = authority.lastIndexOf(':');
    return colon > authority.lastIndexOf(']') ? authority.substring(0, colon) : authority;
  }

  /** The port of {@code host[:port]}, 0 if it names none. */
  static int port(String authority) {
    String port = authority.substring(Math.min(authority.length(), host(authority).length() + 1));
    return port.matches("[0-9]{1,5}") ? Integer.parseInt(port) : 0;
  }

  /** The authority of an address as text, IPv6 in brackets. */
  static String of(String address, int port) {
    return (address.indexOf(':') < 0 ? address : "[" + address + "]") + ":" + port;
  }
}
