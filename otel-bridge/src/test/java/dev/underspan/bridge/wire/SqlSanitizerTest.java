package dev.underspan.bridge.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SqlSanitizerTest {
  private static SqlSummary summarise(String sql) {
    return SqlSanitizer.summarise(sql, SqlDialect.POSTGRESQL);
  }

  private static SqlSummary mysql(String sql) {
    return SqlSanitizer.summarise(sql, SqlDialect.MYSQL);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "SELECT 1 | SELECT ?",
        "SELECT * FROM t WHERE a = 'it''s' AND b=2.5e-10 | SELECT * FROM t WHERE a = ? AND b=?",
        "SELECT E'a\\'b', b'01', X'ff', N'x', U&'d' | SELECT ?, ?, ?, ?, ?",
        "SELECT 'a\\' , 'b' | SELECT ? , ?",
        "SELECT $$ it's $$, $q$ $$ $x$ $q$ | SELECT ?, ?",
        "SELECT $1, $2::int | SELECT $1, $2::int",
        "SELECT a FROM t WHERE b = ? | SELECT a FROM t WHERE b = ?",
        "SELECT t1.col2, \"we ird 1\".\"x\"\"y\" FROM t1 | SELECT t1.col2, \"we ird 1\".\"x\"\"y\" FROM t1",
        "SELECT /* secret /* nested */ more */ 1 -- tail | SELECT ?",
        "SELECT a FROM t WHERE b IN (1, 2,3) AND c in('x') | SELECT a FROM t WHERE b IN (?) AND c in(?)",
        "SELECT a FROM t WHERE b IN ($1, $2) AND c IN ($3) | SELECT a FROM t WHERE b IN (?) AND c IN ($3)",
        "SELECT a FROM t WHERE b IN (SELECT 1, 2) | SELECT a FROM t WHERE b IN (SELECT ?, ?)",
        "SELECT a FROM t WHERE b IN (1, 2, 'cu | SELECT a FROM t WHERE b IN (?",
        "SELECT 0xFF, 1_000, .5, -3 | SELECT ?, ?, ?, -?",
        "SELECT a->>'k', b ?& c FROM t | SELECT a->>?, b ?& c FROM t",
      })
  void sanitises(String sql, String expected) {
    assertThat(summarise(sql).sanitised()).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      nullValues = "null",
      value = {
        "select id from public.users u where x = 1 | SELECT | public.users",
        "SELECT EXTRACT(YEAR FROM ts) FROM \"Order Items\" | SELECT | \"Order",
        "SELECT a IS DISTINCT FROM b FROM t | SELECT | t",
        "SELECT 1 | SELECT | null",
        "SELECT * FROM (SELECT 1 FROM x) y | SELECT | null",
        "(SELECT a FROM t1) UNION (SELECT b FROM t2) | SELECT | t1",
        "INSERT INTO orders(id, x) VALUES (1, 'a') | INSERT | orders",
        "UPDATE ONLY s.t SET a = 1 | UPDATE | s.t",
        "DELETE FROM t WHERE a = 1 | DELETE | t",
        "WITH x AS (SELECT 1 FROM y) INSERT INTO z SELECT * FROM x | INSERT | z",
        "COPY t FROM STDIN | COPY | t",
        "TRUNCATE TABLE t | TRUNCATE | t",
        "begin | BEGIN | null",
        "/* c */ CREATE TABLE t(a int) | CREATE | null",
        "'x' | null | null",
      })
  void summarises(String sql, String operation, String target) {
    SqlSummary summary = summarise(sql);
    assertThat(summary.operation()).isEqualTo(operation);
    if (target != null && target.equals("\"Order")) {
      target = "\"Order Items\"";
    }
    assertThat(summary.target()).isEqualTo(target);
  }

  @Test
  void collapsesWhitespaceAndCaps() {
    assertThat(summarise("  SELECT\n\t a ,\r\n b\n").sanitised()).isEqualTo("SELECT a , b");
    assertThat(summarise("SELECT " + "a,".repeat(9000)).sanitised()).hasSize(2048);
    assertThat(summarise("SELECT a IN (" + "1,".repeat(3000) + "1) FROM t"))
        .isEqualTo(new SqlSummary("SELECT a IN (?) FROM t", "SELECT", "t"));
  }

  @Test
  void literalsNeverComeThroughWhereverItIsCut() {
    String sql =
        "SELECT 'zq', E'z\\'q', $t$zq$t$, $$zq$$, 'z''q' /* zq */ FROM a WHERE b IN ('zq', 'q') --"
            + " zq";
    for (int i = 0; i <= sql.length(); i++) {
      String sanitised = summarise(sql.substring(0, i)).sanitised();
      assertThat(sanitised).doesNotContain("z").doesNotContain("q");
    }
  }

  @Test
  void neverThrows() {
    Random random = new Random(7);
    String alphabet = "aIinN ('\"$?,)-/*\\eE.1;x\n_\u00e9`#!M";
    for (int i = 0; i < 20_000; i++) {
      StringBuilder sql = new StringBuilder(i % 2 == 0 ? "SELECT a FROM " : "");
      int n = random.nextInt(60);
      for (int j = 0; j < n; j++) {
        sql.append(alphabet.charAt(random.nextInt(alphabet.length())));
      }
      for (SqlDialect dialect : SqlDialect.values()) {
        assertThat(SqlSanitizer.summarise(sql.toString(), dialect).sanitised()).isNotNull();
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "SELECT 'it\\'s', \"say \\\"no\\\" 1\", 'a''b', \"c\"\"d\" | SELECT ?, ?, ?, ?",
        "SELECT `we ird 1`.`x``y`, $a FROM `t 1` | SELECT `we ird 1`.`x``y`, $a FROM `t 1`",
        "SELECT 1 # secret 'x | SELECT ?",
        "SELECT 1 -- secret | SELECT ?",
        "SELECT 5--1 | SELECT ?--?",
        "SELECT /* a /* b */ 7 | SELECT ?",
        "SELECT /*!40001 SQL_NO_CACHE 'x' */ /*M!100100 a */ 7 | SELECT SQL_NO_CACHE ? a ?",
        "SELECT _utf8mb4'x', N'y\\'z', x'ff', b'01', 0xff | SELECT _utf8mb4?, ?, ?, ?, ?",
        "SELECT @a := 1, @@global.x, ? | SELECT @a := ?, @@global.x, ?",
        "SELECT a FROM t WHERE b IN (\"x\", 'y', 3) | SELECT a FROM t WHERE b IN (?)",
      })
  void sanitisesMysql(String sql, String expected) {
    assertThat(mysql(sql).sanitised()).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      nullValues = "null",
      value = {
        "select * from `shop`.`order items` where x = 1 | SELECT | `shop`.`order items`",
        "REPLACE INTO t VALUES (1) | REPLACE | t",
        "INSERT IGNORE INTO `t`(a) VALUES (1) | INSERT | `t`",
        "UPDATE LOW_PRIORITY IGNORE t SET a = \"x\" | UPDATE | t",
        "CALL shop.refresh(1) | CALL | shop.refresh",
        "LOAD DATA LOCAL INFILE 'x' INTO TABLE t | LOAD | t",
        "/* c */ SHOW TABLES | SHOW | null",
        "SELECT a FROM \"t\" | SELECT | null",
      })
  void summarisesMysql(String sql, String operation, String target) {
    SqlSummary summary = mysql(sql);
    assertThat(summary.operation()).isEqualTo(operation);
    assertThat(summary.target()).isEqualTo(target);
  }

  @Test
  void backslashIsItselfWhereTheModeSaysSo() {
    String sql = "SELECT 'a\\', 'secret'";
    assertThat(SqlSanitizer.summarise(sql, SqlDialect.MYSQL_NO_BACKSLASH).sanitised())
        .isEqualTo("SELECT ?, ?");
  }

  @Test
  void mysqlLiteralsNeverComeThroughWhereverItIsCut() {
    String sql =
        "SELECT 'zq', 'z\\'q', \"zq\", \"z\\\"q\", 'z''q' /* zq */ FROM a # zq\n"
            + " WHERE b IN ('zq', \"q\") /*!50000 'zq' */ -- zq";
    for (int i = 0; i <= sql.length(); i++) {
      String sanitised = mysql(sql.substring(0, i)).sanitised();
      assertThat(sanitised).doesNotContain("z").doesNotContain("q");
    }
  }
}
