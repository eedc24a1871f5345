package dev.underspan.matrix;

/** OpenSSL by a library of our own, which the property {@code jni.library} names. */
public final class JniLibssl implements NativeTlsApp.Client {
  /** Loads the library, which loads OpenSSL's. */
  public JniLibssl() {
    System.load(System.getProperty("jni.library"));
    load();
  }

  private static native void load();

  private static native long connect(int port, String name, boolean verify);

  private static native int send(long session, byte[] bytes, boolean newer);

  private static native int receive(long session, byte[] into, boolean newer);

  @Override
  public long open(int port, String name, boolean verify) {
    return connect(port, name, verify);
  }

  @Override
  public int write(long session, byte[] bytes, boolean newer) {
    return send(session, bytes, newer);
  }

  @Override
  public int read(long session, byte[] into, boolean newer) {
    return receive(session, into, newer);
  }
}
