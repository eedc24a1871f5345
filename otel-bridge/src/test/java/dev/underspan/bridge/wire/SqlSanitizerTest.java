package dev.underspan.bridge.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SqlSanitizerTest {
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
    assertThat(SqlSanitizer.summarise(sql).sanitised()).isEqualTo(expected);
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
    SqlSummary summary = SqlSanitizer.summarise(sql);
    assertThat(summary.operation()).isEqualTo(operation);
    if (target != null && target.equals("\"Order")) {
      target = "\"Order Items\"";
    }
    assertThat(summary.target()).isEqualTo(target);
  }

  @Test
  void collapsesWhitespaceAndCaps() {
    assertThat(SqlSanitizer.summarise("  SELECT\n\t a ,\r\n b\n").sanitised())
        .isEqualTo("SELECT a , b");
    assertThat(SqlSanitizer.summarise("SELECT " + "a,".repeat(9000)).sanitised()).hasSize(2048);
    assertThat(SqlSanitizer.summarise("SELECT a IN (" + "1,".repeat(3000) + "1) FROM t"))
        .isEqualTo(new SqlSummary("SELECT a IN (?) FROM t", "SELECT", "t"));
  }

  @Test
  void literalsNeverComeThroughWhereverItIsCut() {
    String sql =
        "SELECT 'zq', E'z\\'q', $t$zq$t$, $$zq$$, 'z''q' /* zq */ FROM a WHERE b IN ('zq', 'q') --"
            + " zq";
    for (int i = 0; i <= sql.length(); i++) {
      String sanitised = SqlSanitizer.summarise(sql.substring(0, i)).sanitised();
      assertThat(sanitised).doesNotContain("z").doesNotContain("q");
    }
  }

  @Test
  void neverThrows() {
    Random random = new Random(7);
    String alphabet = "aIinN ('\"$?,)-/*\\eE.1;x\n_\u00e9";
    for (int i = 0; i < 20_000; i++) {
      StringBuilder sql = new StringBuilder(i % 2 == 0 ? "SELECT a FROM " : "");
      int n = random.nextInt(60);
      for (int j = 0; j < n; j++) {
        sql.append(alphabet.charAt(random.nextInt(alphabet.length())));
      }
      assertThat(SqlSanitizer.summarise(sql.toString()).sanitised()).isNotNull();
    }
  }
}
