import java.io.BufferedReader;
import java.io.InputStreamReader;

/**
 * Sends small records by OpenSSL's library to a server that gives each line back: as many as it is
 * told on standard input, and tells how much CPU time that took its thread, ns.
 *
 * <p>{@code TlsLoad LIBRARY PORT BYTES}
 */
public class TlsLoad {
  static native long open(int port);

  static native long run(long session, int rounds, int size);

  public static void main(String[] args) throws Exception {
    System.load(args[0]);
    int size = Integer.parseInt(args[2]);
    long session = open(Integer.parseInt(args[1]));
    if (session == 0) {
      throw new IllegalStateException("no connection by libssl");
    }
    System.out.println("ready");
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      System.out.println(run(session, Integer.parseInt(line), size));
    }
  }
}
