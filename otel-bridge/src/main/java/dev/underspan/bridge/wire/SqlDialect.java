package dev.underspan.bridge.wire;

/** What tells the lexical rules of SQL databases apart. */
public enum SqlDialect {
  /** PostgreSQL documentation, "SQL Syntax, Lexical Structure". */
  POSTGRESQL,
  /** MySQL reference manual, "Language Structure"; MariaDB's rules are the same. */
  MYSQL,
  /** MySQL in SQL mode NO_BACKSLASH_ESCAPES. */
  MYSQL_NO_BACKSLASH;

  boolean mysql() {
    return this != POSTGRESQL;
  }
}
