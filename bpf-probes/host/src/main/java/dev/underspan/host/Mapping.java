package dev.underspan.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Part of a file that is mapped in this process to be executed: others may be of whoever reads the
 * file, like us.
 *
 * @param start its first address
 * @param end the address behind it
 * @param offset what part of the file that is
 * @param file device and inode
 * @param path of the file, as the kernel tells it
 */
record Mapping(long start, long end, long offset, String file, String path) {
  private static final String DELETED = " (deleted)";

  /** All of them, by address. */
  static List<Mapping> executable() throws IOException {
    List<Mapping> mappings = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of("/proc/self/maps"))) {
      // start-end perms offset device inode path
      String[] fields = line.split(" +", 6);
      if (fields.length == 6 && fields[1].indexOf('x') >= 0 && fields[5].startsWith("/")) {
        int dash = fields[0].indexOf('-');
        mappings.add(
            new Mapping(
                Long.parseUnsignedLong(fields[0].substring(0, dash), 16),
                Long.parseUnsignedLong(fields[0].substring(dash + 1), 16),
                Long.parseUnsignedLong(fields[2], 16),
                fields[3] + " " + fields[4],
                fields[5]));
      }
    }
    return mappings;
  }

  /** Where the file can be opened; also one that was deleted since, as libraries in jars are. */
  Path openable() {
    return path.endsWith(DELETED)
        ? Path.of("/proc/self/map_files/" + Long.toHexString(start) + "-" + Long.toHexString(end))
        : Path.of(path);
  }

  /** Its name, for people. */
  String name() {
    return path.endsWith(DELETED) ? path.substring(0, path.length() - DELETED.length()) : path;
  }
}
