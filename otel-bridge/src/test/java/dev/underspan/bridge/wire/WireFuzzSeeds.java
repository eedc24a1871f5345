package dev.underspan.bridge.wire;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** Writes what {@link WireFuzzTest} begins with: the exchanges of {@link WireRandomTest}. */
final class WireFuzzSeeds {
  private WireFuzzSeeds() {}

  /** Takes the folder to write to. */
  public static void main(String[] args) throws IOException {
    Path folder = Path.of(args[0]);
    Files.createDirectories(folder);
    for (WireRandomTest.Kind kind : WireRandomTest.Kind.values()) {
      String protocol = kind.name().toLowerCase(Locale.ROOT);
      List<WireRandomTest.Turn> turns = WireRandomTest.exchange(kind);
      Files.write(folder.resolve(protocol + "-whole"), whole(turns));
      Files.write(folder.resolve(protocol + "-cut"), cut(turns));
      Files.write(folder.resolve(protocol + "-midway"), midway(turns));
    }
    Files.write(
        folder.resolve("dns"),
        whole(List.of(turn(true, DnsLookupsTest.QUESTION), turn(false, DnsLookupsTest.ANSWER))));
  }

  private static WireRandomTest.Turn turn(boolean out, byte[] bytes) {
    return new WireRandomTest.Turn(out, bytes);
  }

  private static void chunk(ByteArrayOutputStream out, WireRandomTest.Turn turn, int eighths) {
    int direction = turn.out ? 0 : 1;
    if (eighths == 8) {
      out.write(direction | 2);
    } else {
      out.writeBytes(new byte[] {(byte) direction, (byte) eighths, 1, 16});
    }
    out.writeBytes(KafkaBytes.int16(turn.bytes.length));
    out.writeBytes(turn.bytes);
  }

  private static byte[] whole(List<WireRandomTest.Turn> turns) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(new byte[] {0, 0});
    turns.forEach(turn -> chunk(out, turn, 8));
    out.write(WireFuzz.CLOSE);
    return out.toByteArray();
  }

  /** Half of each chunk is captured. */
  private static byte[] cut(List<WireRandomTest.Turn> turns) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(new byte[] {0, 0});
    turns.forEach(turn -> chunk(out, turn, turn == turns.get(0) ? 8 : 4));
    return out.toByteArray();
  }

  /** Joined after two turns; each two turns later, something is lost. */
  private static byte[] midway(List<WireRandomTest.Turn> turns) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(new byte[] {0, 1});
    for (int i = 2; i < turns.size(); i++) {
      chunk(out, turns.get(i), 8);
      if (i % 2 == 1) {
        out.write(WireFuzz.LOSS);
      }
    }
    return out.toByteArray();
  }
}
