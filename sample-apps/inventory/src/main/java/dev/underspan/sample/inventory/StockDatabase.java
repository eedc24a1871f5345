package dev.underspan.sample.inventory;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.OptionalInt;

/** The tables of inventory, and what is asked of them. */
final class StockDatabase implements AutoCloseable {
  /** Products have the numbers 1 to this one. */
  static final int PRODUCTS = 500;

  private static final String SCHEMA =
      """
      CREATE TABLE IF NOT EXISTS stock (
        product_id integer PRIMARY KEY,
        name text NOT NULL,
        available integer NOT NULL);
      CREATE TABLE IF NOT EXISTS reservation (
        id bigserial PRIMARY KEY,
        product_id integer NOT NULL REFERENCES stock,
        made_at timestamptz NOT NULL DEFAULT now());
      """;
  private static final String SEED =
      "INSERT INTO stock SELECT n, 'product ' || n, 1000000 FROM generate_series(1, ?) AS n"
          + " ON CONFLICT DO NOTHING";

  private final HikariDataSource dataSource;

  private StockDatabase(HikariDataSource dataSource) {
    this.dataSource = dataSource;
  }

  static StockDatabase open(String jdbcUrl) throws SQLException {
    HikariConfig config = new HikariConfig();
    config.setPoolName("inventory");
    config.setJdbcUrl(jdbcUrl);
    config.setMaximumPoolSize(8);
    config.setConnectionTimeout(30_000);
    StockDatabase database = new StockDatabase(new HikariDataSource(config));
    try {
      database.create();
    } catch (SQLException e) {
      database.close();
      throw e;
    }
    return database;
  }

  private void create() throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      try (Statement statement = connection.createStatement()) {
        statement.execute(SCHEMA);
      }
      try (PreparedStatement statement = connection.prepareStatement(SEED)) {
        statement.setInt(1, PRODUCTS);
        statement.executeUpdate();
      }
    }
  }

  /** How many pieces there are of a product; empty if there is no such product. */
  OptionalInt available(int id) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        PreparedStatement statement =
            connection.prepareStatement("SELECT available FROM stock WHERE product_id = ?")) {
      statement.setInt(1, id);
      try (ResultSet rows = statement.executeQuery()) {
        return rows.next() ? OptionalInt.of(rows.getInt(1)) : OptionalInt.empty();
      }
    }
  }

  /** Takes one piece in a transaction; false if there is none. */
  boolean reserve(int id) throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      connection.setAutoCommit(false);
      boolean taken = false;
      try {
        taken = takeOne(connection, id);
        if (taken) {
          note(connection, id);
        }
      } catch (SQLException e) {
        connection.rollback();
        throw e;
      }
      connection.commit();
      return taken;
    }
  }

  private static boolean takeOne(Connection connection, int id) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement(
            "UPDATE stock SET available = available - 1 WHERE product_id = ? AND available > 0")) {
      statement.setInt(1, id);
      return statement.executeUpdate() == 1;
    }
  }

  private static void note(Connection connection, int id) throws SQLException {
    try (PreparedStatement statement =
        connection.prepareStatement("INSERT INTO reservation (product_id) VALUES (?)")) {
      statement.setInt(1, id);
      statement.executeUpdate();
    }
  }

  /** Counts a product's reservations by two statements, the first of them slow. */
  long report(int id, int ms) throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      try (PreparedStatement statement = connection.prepareStatement("SELECT pg_sleep(?)")) {
        statement.setDouble(1, ms / 1000.0);
        statement.execute();
      }
      try (PreparedStatement statement =
          connection.prepareStatement("SELECT count(*) FROM reservation WHERE product_id = ?")) {
        statement.setInt(1, id);
        try (ResultSet rows = statement.executeQuery()) {
          rows.next();
          return rows.getLong(1);
        }
      }
    }
  }

  /** Asks for a table that does not exist. */
  void broken() throws SQLException {
    try (Connection connection = dataSource.getConnection();
        PreparedStatement statement =
            connection.prepareStatement("SELECT * FROM no_such_table WHERE id = ?")) {
      statement.setInt(1, 1);
      statement.execute();
    }
  }

  @Override
  public void close() {
    dataSource.close();
  }
}
