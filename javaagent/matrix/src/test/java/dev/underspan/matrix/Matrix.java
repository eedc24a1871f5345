package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** A table of what was tried, as it is in the documents. */
final class Matrix {
  private static final Path DOCS =
      Path.of(System.getProperty("underspan.repo.root"), "docs", "matrix.md");
  private static final int COLUMNS = 3;

  private final Path generated;
  private final List<String> head;
  private final List<List<String>> rows;
  private final Map<String, Map<String, String>> columns = new TreeMap<>();

  /** Rows begin with the name of what is tried; how it went is added. */
  Matrix(List<String> head, List<List<String>> rows) {
    this("matrix", head, rows);
  }

  /** The same, one of several tables. */
  Matrix(String name, List<String> head, List<List<String>> rows) {
    this.generated = Path.of("target", name + ".md");
    this.head = head;
    this.rows = rows;
  }

  void add(String row, String column, String result) {
    columns.computeIfAbsent(column, any -> new TreeMap<>()).put(row, result);
  }

  private static String line(List<String> cells) {
    return "| " + String.join(" | ", cells) + " |\n";
  }

  @Override
  public String toString() {
    List<String> first = new ArrayList<>(head);
    first.addAll(columns.keySet());
    StringBuilder text = new StringBuilder(line(first));
    text.append("|---".repeat(first.size())).append("|\n");
    for (List<String> row : rows) {
      List<String> cells = new ArrayList<>(row);
      for (Map<String, String> column : columns.values()) {
        cells.add(column.getOrDefault(row.get(0), "not run"));
      }
      text.append(line(cells));
    }
    return text.toString();
  }

  /** The documents say what was found; where not all JVMs are installed, that cannot be told. */
  void compareWithDocs() throws IOException {
    Files.writeString(generated, toString());
    if (columns.size() == COLUMNS) {
      assertThat(Files.readString(DOCS))
          .as("docs/matrix.md has the table of javaagent/matrix/%s: copy it there", generated)
          .contains(toString());
    }
  }
}
