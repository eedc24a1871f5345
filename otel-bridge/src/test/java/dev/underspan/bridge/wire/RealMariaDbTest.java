package dev.underspan.bridge.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the drivers of MariaDB and MySQL and a real server say to each other. */
class RealMariaDbTest {
  private static final String MARIADB = "mariadb://127.0.0.1:PORT/shop?user=root";
  private static final String MYSQL =
      "mysql://127.0.0.1:PORT/shop?user=root&sslMode=DISABLED&allowLoadLocalInfile=true";
  private static LocalServer server;
  private static Recorder recorder;

  @BeforeAll
  static void start() throws IOException, InterruptedException, SQLException {
    server = LocalServer.mariaDb();
    recorder = new Recorder(server.port);
    try (Connection connection =
            DriverManager.getConnection("jdbc:mariadb://127.0.0.1:" + server.port + "/?user=root");
        Statement statement = connection.createStatement()) {
      statement.execute("CREATE DATABASE shop");
      statement.execute("CREATE DATABASE stock");
      statement.execute(
          "CREATE PROCEDURE shop.two() BEGIN SELECT 'a'; SELECT 'b' UNION SELECT 'c'; END");
    }
  }

  @AfterAll
  static void stop() throws IOException {
    if (recorder != null) {
      recorder.close();
    }
    if (server != null) {
      server.close();
    }
  }

  private static Connection connect(String url) throws SQLException {
    return DriverManager.getConnection("jdbc:" + url.replace("PORT", "" + recorder.port()));
  }

  /** Every call as its text up to a bound, its database and its error. */
  private static List<String> outline(Feed feed) {
    return feed.calls.stream()
        .map(c -> line(Feed.sql(c).text(), Feed.sql(c).database(), c.errorType()))
        .toList();
  }

  private static String line(String sql, @Nullable String database, @Nullable String error) {
    return sql.substring(0, Math.min(60, sql.length())) + " @" + database + " " + error;
  }

  private static void assertClean(Feed feed) {
    assertThat(feed.counters.parseErrors.sum()).isZero();
    assertThat(feed.counters.truncatedMessages.sum()).isZero();
    assertThat(feed.counters.callsDropped.sum()).isZero();
    assertThat(feed.counters.resynchronised.sum()).isZero();
    assertThat(feed.counters.unknownProtocol.sum()).isZero();
    assertThat(feed.counters.unknownStatements.sum()).isZero();
  }

  private final List<String> expected = new ArrayList<>();
  private String database = "shop";

  private void expect(String sql) {
    expected.add(line(sql, database, null));
  }

  private void run(Statement statement, String sql) throws SQLException {
    statement.execute(sql);
    expect(sql);
    do {
      try (ResultSet rows = statement.getResultSet()) {
        while (rows != null && rows.next()) {
          rows.getString(1);
        }
      }
    } while (statement.getMoreResults() || statement.getUpdateCount() != -1);
  }

  private void fail(Statement statement, String sql, String code) {
    assertThatThrownBy(() -> statement.execute(sql)).isInstanceOf(SQLException.class);
    expected.add(line(sql, database, code));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        MARIADB + "&allowMultiQueries=true&allowLocalInfile=true",
        MARIADB
            + "&allowMultiQueries=true&allowLocalInfile=true&useServerPrepStmts=true"
            + "&useBulkStmts=false",
        MYSQL + "&allowMultiQueries=true&useServerPrepStmts=true",
        MYSQL + "&allowMultiQueries=true&useServerPrepStmts=false",
      })
  void everyday(String url, @TempDir Path directory) throws Exception {
    boolean prepares = url.contains("PrepStmts=true");
    String big = "x".repeat(1_000_000);
    try (Connection connection = connect(url);
        Statement statement = connection.createStatement()) {
      run(statement, "DROP TABLE IF EXISTS item");
      run(statement, "CREATE TABLE item (id INT PRIMARY KEY, name LONGTEXT, price DECIMAL(9,2))");
      run(statement, "INSERT INTO item VALUES (1, 'secret \\' # one', 1.5), (2, \"two\", 2)");
      run(statement, "SELECT * FROM `item` WHERE name <> 'x' -- secret");
      fail(statement, "INSERT INTO item VALUES (1, 'again', 0)", "1062");
      fail(statement, "SELECT nope FROM item", "1054");
      fail(statement, "SELEC 1", "1064");
      run(statement, "INSERT INTO item VALUES (3, 'c', 3); SELECT * FROM item; SELECT 1");
      run(statement, "CALL two()");
      connection.setAutoCommit(false);
      try (PreparedStatement update =
          connection.prepareStatement("UPDATE item SET price = ? WHERE id = ?")) {
        for (int i = 0; i < 3; i++) {
          update.setInt(1, 7);
          update.setInt(2, i);
          update.executeUpdate();
        }
      }
      connection.commit();
      connection.setAutoCommit(true);
      try (PreparedStatement insert =
          connection.prepareStatement("INSERT INTO item VALUES (?, ?, 1)")) {
        for (int i = 100; i < 120; i++) {
          insert.setInt(1, i);
          insert.setString(2, "batch");
          insert.addBatch();
        }
        insert.executeBatch();
        insert.setInt(1, 50);
        insert.setString(2, big);
        insert.executeUpdate();
      }
      try (PreparedStatement select =
          connection.prepareStatement("SELECT name FROM item WHERE id = ?")) {
        select.setInt(1, 50);
        try (ResultSet rows = select.executeQuery()) {
          assertThat(rows.next()).isTrue();
          assertThat(rows.getString(1)).hasSize(big.length());
        }
      }
      Path file = Files.writeString(directory.resolve("f"), "200\tloaded\t1\n".repeat(1));
      String load = "LOAD DATA LOCAL INFILE '" + file + "' INTO TABLE item";
      statement.execute(load);
      statement.execute("SELECT seq, REPEAT('y', 30) FROM seq_1_to_5000");
      try (ResultSet rows = statement.getResultSet()) {
        int count = 0;
        while (rows.next()) {
          count++;
        }
        assertThat(count).isEqualTo(5000);
      }
      connection.setCatalog("stock");
      assertThat(connection.isValid(2)).isTrue();
      try (Statement other = connection.createStatement()) {
        other.execute("SELECT 'in stock'");
        other.execute("USE shop");
        other.execute("SELECT 'in the shop'");
      }
    }
    List<Recorder.Recording> recordings = recorder.take();
    assertThat(recordings).hasSize(1);
    Feed whole = recordings.get(0).replay(Feed.fresh());
    List<String> lines = outline(whole);
    assertThat(lines).containsSubsequence(expected);
    assertThat(lines)
        .filteredOn(l -> l.startsWith("UPDATE item SET price ="))
        .hasSize(3)
        .allMatch(l -> !prepares || l.contains("price = ? WHERE id = ? @shop null"));
    assertThat(lines)
        .filteredOn(
            l ->
                l.matches(
                    "INSERT INTO item VALUES \\(.*, .*, 1\\) @shop null|"
                        + "INSERT INTO item VALUES \\(50, 'x+ @shop null"))
        // MariaDB's driver sends a batch as one command, unless told not to.
        .hasSize(url.startsWith("mariadb") && !url.contains("useBulkStmts") ? 2 : 21);
    assertThat(lines).filteredOn(l -> l.startsWith("SELECT name FROM item WHERE id")).hasSize(1);
    assertThat(lines).filteredOn(l -> l.startsWith("LOAD DATA LOCAL INFILE")).hasSize(1);
    assertThat(lines).filteredOn(l -> l.startsWith("COMMIT") || l.startsWith("commit")).hasSize(1);
    assertThat(lines)
        .containsSubsequence(
            "SELECT seq, REPEAT('y', 30) FROM seq_1_to_5000 @shop null",
            "SELECT 'in stock' @stock null",
            "USE shop @stock null",
            "SELECT 'in the shop' @shop null");
    assertThat(whole.calls)
        .allMatch(ClientCall::complete)
        .allMatch(c -> Feed.sql(c).system().equals("mariadb"))
        .allMatch(c -> "root".equals(Feed.sql(c).user()))
        .noneMatch(c -> Feed.sql(c).sanitised().contains("secret"))
        .noneMatch(c -> Feed.sql(c).sanitised().contains("xxx"));
    assertClean(whole);
    // As the kernel would have captured it.
    Feed cut = recordings.get(0).replay(Feed.fresh().capture(8192, 16));
    assertThat(outline(cut)).containsExactlyElementsOf(lines);
    assertThat(cut.calls).allMatch(ClientCall::complete);
    // Joined after the login.
    Feed midway = recordings.get(0).replay(Feed.midway());
    assertThat(midway.calls).hasSameSizeAs(whole.calls);
    assertThat(midway.counters.parseErrors.sum()).isZero();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        MARIADB + "&useServerPrepStmts=true",
        MYSQL + "&useCursorFetch=true",
      })
  void fetchedInParts(String url) throws Exception {
    try (Connection connection = connect(url)) {
      try (PreparedStatement select =
          connection.prepareStatement("SELECT seq FROM seq_1_to_1000")) {
        select.setFetchSize(300);
        try (ResultSet rows = select.executeQuery()) {
          int count = 0;
          while (rows.next()) {
            count++;
          }
          assertThat(count).isEqualTo(1000);
        }
      }
    }
    Feed feed = recorder.take().get(0).replay(Feed.fresh());
    assertThat(outline(feed))
        .filteredOn(l -> l.equals("SELECT seq FROM seq_1_to_1000 @shop null"))
        .hasSizeGreaterThanOrEqualTo(1);
    assertThat(feed.calls).allMatch(ClientCall::complete);
    assertClean(feed);
  }

  @Test
  void valuesOverSixteenMebibytes() throws Exception {
    String big = "x".repeat(17 << 20);
    try (Connection connection = connect(MARIADB + "&maxAllowedPacket=67108864");
        Statement statement = connection.createStatement()) {
      try (ResultSet rows = statement.executeQuery("SELECT LENGTH('" + big + "')")) {
        rows.next();
        assertThat(rows.getInt(1)).isEqualTo(17 << 20);
      }
      try (ResultSet rows = statement.executeQuery("SELECT REPEAT('x', 17 << 20)")) {
        rows.next();
        assertThat(rows.getString(1)).hasSize(17 << 20);
      }
      statement.execute("SELECT 'last'");
    }
    Recorder.Recording recording = recorder.take().get(0);
    for (int capture : new int[] {Feed.ALL, 8192}) {
      Feed feed = recording.replay(Feed.fresh().capture(capture, 16));
      List<String> lines = outline(feed);
      assertThat(lines.subList(lines.size() - 3, lines.size()))
          .containsExactly(
              line("SELECT LENGTH('" + big, "shop", null),
              "SELECT REPEAT('x', 17 << 20) @shop null",
              "SELECT 'last' @shop null");
      assertThat(feed.calls.get(lines.size() - 3).bytesOut()).isGreaterThan(17 << 20);
      assertThat(feed.counters.parseErrors.sum()).isZero();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {MARIADB + "&useCompression=true", MYSQL + "&useCompression=true"})
  void compressionIsGivenUp(String url) throws Exception {
    try (Connection connection = connect(url);
        Statement statement = connection.createStatement()) {
      statement.execute("SELECT 1");
    }
    Feed feed = recorder.take().get(0).replay(Feed.fresh());
    assertThat(feed.calls).isEmpty();
    assertThat(feed.counters.compressedConnections.sum()).isEqualTo(1);
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }

  @Test
  void wrongPassword() throws Exception {
    assertThatThrownBy(() -> connect(MARIADB + "&password=wrong")).isInstanceOf(SQLException.class);
    Feed feed = recorder.take().get(0).replay(Feed.fresh());
    assertThat(feed.calls).isEmpty();
    assertThat(feed.counters.parseErrors.sum()).isZero();
  }
}
