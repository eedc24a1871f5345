package dev.underspan.bridge.wire;

import static dev.underspan.bridge.wire.MySqlSyntax.int16;
import static dev.underspan.bridge.wire.MySqlSyntax.int32;

import dev.underspan.bridge.map.BoundedMap;
import java.util.ArrayDeque;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Client side MySQL and MariaDB (MySQL source documentation, "Client/Server Protocol"; MariaDB
 * knowledge base, "Client/Server Protocol"): connection phase, text protocol, prepared statements.
 *
 * <p>Every command has one answer, in order, and how long it is shows in its packets: with or
 * without CLIENT_DEPRECATE_EOF. Statements and fetches are calls; a prepare is one if it fails, and
 * what serves the connection (ping, change of the database) is none.
 */
final class MySqlProtocol implements Protocol {
  private static final int MAX_IN_FLIGHT = 256;
  private static final int MAX_STATEMENTS = 256;
  private static final int MAX_LOGIN = 2048;
  // Query attributes come before the text.
  private static final int MAX_COMMAND = SqlStatement.MAX_TEXT + 1024;
  // As much as an OK has before its text.
  private static final int MAX_ANSWER = 32;
  private static final String OTHER = "_OTHER";
  // Packets went by unseen.
  private static final int ANY_SEQUENCE = -1;
  // MariaDB: the statement that was prepared last.
  private static final int LAST_PREPARED = -1;
  // MariaDB: an error that only tells how far the statement is.
  private static final int PROGRESS = 0xffff;

  /** What answers a command. */
  private enum Answer {
    /** OK, an error, result sets, or a request for a file. */
    RESULT,
    /** Rows of a cursor. */
    ROWS,
    /** A statement's id and definitions of its parameters and columns. */
    PREPARED,
    /** One packet. */
    ONE,
    /** Authentication, in any number of turns. */
    AUTHENTICATION
  }

  /** How far an answer has been read. */
  private enum Step {
    FIRST,
    DEFINITIONS,
    AFTER_DEFINITIONS,
    ROWS,
    FILE
  }

  private final Calls sink;
  private final WireCounters counters;
  private final Frontend frontend;
  private final Backend backend;
  private final Map<Integer, SqlStatement> statements = BoundedMap.byUse(MAX_STATEMENTS);
  private final ArrayDeque<Exec> pending = new ArrayDeque<>();
  // Commands after the last pending one that were not kept; their answers come last.
  private int overflow;
  private boolean mariaDb;
  private boolean loggedIn;
  private boolean authenticated;
  // Of both sides; -1 if the login was not seen.
  private long capabilities;
  private int status;
  private @Nullable String database;
  private @Nullable String user;
  private @Nullable SqlStatement lastPrepared;
  private Verdict verdict = Verdict.CONTINUE;
  private Chunk chunk = new Chunk();

  MySqlProtocol(
      Role role,
      MySqlSyntax.@Nullable Greeting greeting,
      boolean midway,
      Calls sink,
      WireCounters counters) {
    if (role != Role.CLIENT) {
      throw new IllegalArgumentException("only the client side is read");
    }
    this.sink = sink;
    this.counters = counters;
    if (greeting == null && !midway) {
      counters.truncatedMessages.increment();
    }
    this.mariaDb = greeting != null && greeting.mariaDb();
    this.capabilities = greeting == null ? -1 : greeting.capabilities();
    this.loggedIn = midway;
    this.authenticated = midway;
    this.frontend = new Frontend();
    this.backend = new Backend();
  }

  @Override
  public Verdict onChunk(Chunk chunk) {
    this.chunk = chunk;
    if (chunk.direction == Direction.SENT) {
      frontend.next();
    } else {
      backend.feed(chunk, 0);
    }
    return verdict;
  }

  @Override
  public void onLoss() {
    if (!loggedIn) {
      capabilities = -1;
    }
    loggedIn = true;
    authenticated = true;
    dropAll();
    frontend.lose();
    backend.lose();
  }

  @Override
  public void onClose(long timeNs, boolean error) {
    boolean first = true;
    for (Exec exec : pending) {
      boolean done = first && !error && backend.isLost() && exec.answered();
      if (done) {
        counters.resynchronised.increment();
      }
      exec.emit(done ? exec.lastReceivedNs() : timeNs, done);
      first = false;
    }
    pending.clear();
  }

  private void dropAll() {
    for (Exec exec : pending) {
      if (exec.reported) {
        counters.callsDropped.increment();
      }
    }
    pending.clear();
    overflow = 0;
  }

  /** A new command begins although the last answer's end was not seen: it must have been. */
  private void resynchronise() {
    counters.resynchronised.increment();
    Exec head = pending.poll();
    if (head != null) {
      head.emit(head.lastReceivedNs(), true);
    }
    dropAll();
    backend.reset();
  }

  private final class Exec extends PendingCall {
    Answer answer = Answer.ONE;
    boolean reported;
    @Nullable SqlStatement statement;
    // The last packet of this exchange, of either side.
    int sequence;
    Step step = Step.FIRST;
    long definitions;
    boolean failed;
    @Nullable String code;
    // What becomes true if it succeeds.
    @Nullable String newDatabase;
    @Nullable String newUser;
    boolean forgetsStatements;

    Exec(Chunk first) {
      super(first);
    }

    void emit(long endNs, boolean complete) {
      if (!reported && !(failed && answer == Answer.PREPARED)) {
        return;
      }
      String error =
          code != null ? code : !complete ? ClientCall.CONNECTION_CLOSED : failed ? OTHER : null;
      String text = "";
      String sanitised = "";
      String operation = null;
      String target = null;
      SqlStatement s = statement;
      if (s == null) {
        counters.unknownStatements.increment();
      } else {
        boolean backslash = (status & MySqlSyntax.NO_BACKSLASH_ESCAPES) == 0;
        SqlSummary summary =
            s.summary(backslash ? SqlDialect.MYSQL : SqlDialect.MYSQL_NO_BACKSLASH);
        text = s.text;
        sanitised = summary.sanitised();
        operation = summary.operation();
        target = summary.target();
      }
      sink.emit(
          this,
          endNs,
          error,
          complete,
          new ClientCall.Sql(
              mariaDb ? "mariadb" : "mysql",
              text,
              s == null || s.cut,
              sanitised,
              operation,
              target,
              database,
              user,
              code));
    }
  }

  private final class Frontend extends MySqlPacketReader {
    // Where a header began if the chunk ended within it.
    private @Nullable Exec early;
    private @Nullable Exec target;
    private boolean command;

    Frontend() {
      super(MySqlProtocol.this.counters);
    }

    void next() {
      if (isLost()
          && MySqlSyntax.commands(chunk.data, chunk.captured(), chunk.hole() == 0) == Match.YES) {
        counters.resynchronised.increment();
        reset();
      }
      feed(chunk, 0);
      if (midHeader() && early == null) {
        early = new Exec(chunk);
      }
    }

    @Override
    int packet(int sequence, long length) {
      Exec begun = early;
      early = null;
      command = false;
      target = null;
      if (!loggedIn) {
        return (sequence == 1 || sequence == 2) && length >= MySqlSyntax.SSL_REQUEST
            ? MAX_LOGIN
            : INVALID;
      }
      if (sequence == 0) {
        if (length == 0) {
          return INVALID;
        }
        Exec head = pending.peek();
        if (backend.isLost() && (head == null || head.answered())) {
          resynchronise();
        }
        command = true;
        target = begun != null ? begun : new Exec(chunk);
        return MAX_COMMAND;
      }
      Exec head = pending.peek();
      boolean mine = head != null && (head.step == Step.FILE || asksUser(head));
      if (authenticated && !mine) {
        return INVALID;
      }
      target = head;
      goesOn(sequence);
      return 0;
    }

    private boolean asksUser(Exec head) {
      return head.answer == Answer.AUTHENTICATION;
    }

    @Override
    void goesOn(int sequence) {
      if (target != null) {
        target.sequence = sequence;
      }
    }

    @Override
    void bytes(long n) {
      if (target != null) {
        target.sent(chunk, n);
      }
    }

    @Override
    void payload(byte[] body, int kept, long length, boolean cut) {
      if (!loggedIn) {
        login(body, kept, length);
      } else if (command && target != null) {
        if (kept == 0) {
          // Which command it is was not captured, nor what answers it.
          counters.truncatedMessages.increment();
          counters.callsDropped.increment();
          backend.lose();
        } else {
          authenticated = true;
          command(target, body, kept, cut);
        }
      }
    }

    private void login(byte[] body, int kept, long length) {
      if (kept < MySqlSyntax.SSL_REQUEST) {
        counters.truncatedMessages.increment();
        capabilities = -1;
        loggedIn = true;
        return;
      }
      long asked = int32(body, 0);
      if ((asked & MySqlSyntax.PROTOCOL_41) == 0) {
        counters.parseErrors.increment();
        verdict = Verdict.NOT_MINE;
        stop();
        return;
      }
      if ((asked & MySqlSyntax.SSL) != 0 && length == MySqlSyntax.SSL_REQUEST) {
        counters.tlsConnections.increment();
        verdict = Verdict.STOP;
        stop();
        return;
      }
      capabilities &= asked;
      // Only asked of a server that offered them.
      mariaDb |= (asked & MySqlSyntax.CLIENT_MYSQL) == 0 && int32(body, 28) != 0;
      loggedIn = true;
      int zero = PgSyntax.zero(body, MySqlSyntax.SSL_REQUEST, kept);
      if (zero == kept) {
        counters.truncatedMessages.increment();
        return;
      }
      user = PgSyntax.text(body, MySqlSyntax.SSL_REQUEST, zero);
      if ((asked & MySqlSyntax.CONNECT_WITH_DB) != 0) {
        database = databaseAfter(body, zero + 1, kept, asked);
      }
    }

    /** The database comes after the proof of who the user is. */
    private @Nullable String databaseAfter(byte[] body, int proof, int kept, long asked) {
      long end;
      if ((asked & MySqlSyntax.AUTH_LENENC) != 0) {
        long size = MySqlSyntax.lenenc(body, proof, kept);
        end = size < 0 ? kept : proof + MySqlSyntax.lenencSize(body[proof]) + size;
      } else if ((asked & MySqlSyntax.SECURE_CONNECTION) != 0) {
        end = proof < kept ? proof + 1 + (body[proof] & 0xff) : kept;
      } else {
        end = PgSyntax.zero(body, proof, kept) + 1L;
      }
      int from = (int) Math.min(end, kept);
      int zero = PgSyntax.zero(body, from, kept);
      if (zero == kept) {
        counters.truncatedMessages.increment();
        return null;
      }
      return zero == from ? null : PgSyntax.text(body, from, zero);
    }

    private void command(Exec exec, byte[] body, int kept, boolean cut) {
      int id = kept >= 5 ? (int) int32(body, 1) : 0;
      int code = body[0] & 0xff;
      switch (code) {
        case MySqlSyntax.COM_QUERY -> {
          exec.answer = Answer.RESULT;
          exec.reported = true;
          exec.statement = query(body, kept, cut);
          exec.newDatabase = MySqlSyntax.used(exec.statement.text);
        }
        case MySqlSyntax.COM_STMT_PREPARE -> {
          exec.answer = Answer.PREPARED;
          exec.statement = SqlStatement.of(body, 1, kept, cut);
          lastPrepared = exec.statement;
        }
        case MySqlSyntax.COM_STMT_EXECUTE, MySqlSyntax.COM_STMT_BULK_EXECUTE -> {
          exec.answer = Answer.RESULT;
          exec.reported = true;
          exec.statement = id == LAST_PREPARED ? lastPrepared : statements.get(id);
        }
        case MySqlSyntax.COM_STMT_FETCH -> {
          exec.answer = Answer.ROWS;
          exec.reported = true;
          exec.statement = statements.get(id);
        }
        case MySqlSyntax.COM_PROCESS_INFO -> exec.answer = Answer.RESULT;
        case MySqlSyntax.COM_FIELD_LIST -> exec.answer = Answer.ROWS;
        case MySqlSyntax.COM_INIT_DB -> exec.newDatabase = PgSyntax.text(body, 1, kept);
        case MySqlSyntax.COM_RESET_CONNECTION -> exec.forgetsStatements = true;
        case MySqlSyntax.COM_CHANGE_USER -> {
          exec.answer = Answer.AUTHENTICATION;
          exec.forgetsStatements = true;
          int zero = PgSyntax.zero(body, 1, kept);
          exec.newUser = PgSyntax.text(body, 1, zero);
          exec.newDatabase =
              databaseAfter(body, zero + 1, kept, capabilities & ~MySqlSyntax.AUTH_LENENC);
        }
        case MySqlSyntax.COM_STMT_CLOSE -> {
          statements.remove(id);
          return;
        }
        case MySqlSyntax.COM_QUIT, MySqlSyntax.COM_STMT_SEND_LONG_DATA -> {
          return; // not answered
        }
        case MySqlSyntax.COM_BINLOG_DUMP,
            MySqlSyntax.COM_BINLOG_DUMP_GTID,
            MySqlSyntax.COM_TABLE_DUMP -> {
          counters.upgraded.increment();
          verdict = Verdict.STOP;
          stop();
          return;
        }
        default -> {
          if (code > MySqlSyntax.COM_LAST) {
            counters.parseErrors.increment();
            target = null;
            lose();
            return;
          }
        }
      }
      if (overflow > 0 || pending.size() >= MAX_IN_FLIGHT) {
        overflow++;
        if (exec.reported) {
          counters.callsDropped.increment();
        }
      } else {
        pending.add(exec);
      }
    }

    private SqlStatement query(byte[] body, int kept, boolean cut) {
      boolean attributes =
          loggedInSeen()
              ? (capabilities & MySqlSyntax.QUERY_ATTRIBUTES) != 0
              // Their number comes first, and no text begins with such a byte.
              : kept > 1 && body[1] >= 0 && body[1] < '\t';
      int from = attributes ? MySqlSyntax.afterAttributes(body, kept) : 1;
      if (from < 0) {
        counters.truncatedMessages.increment();
        return new SqlStatement("", true);
      }
      return SqlStatement.of(body, from, kept, cut);
    }

    private boolean loggedInSeen() {
      return capabilities >= 0;
    }

    @Override
    void framesLost() {
      early = null;
      if (target != null) {
        target.sequence = ANY_SEQUENCE;
      }
    }

    @Override
    void lostChunkEnd(long before, long last) {}
  }

  private final class Backend extends MySqlPacketReader {
    private @Nullable Exec target;
    // Of the last packet of an answer that is over.
    private int lastSequence;

    Backend() {
      super(MySqlProtocol.this.counters);
    }

    @Override
    int packet(int sequence, long length) {
      target = pending.peek();
      if (!authenticated) {
        return MAX_ANSWER;
      }
      if (target == null && overflow > 0) {
        // Most likely a batch: the same again and again.
        overflow--;
        target = new Exec(chunk);
        target.answer = Answer.RESULT;
        pending.add(target);
      }
      if (target == null) {
        return 0;
      }
      if (target.sequence != ANY_SEQUENCE
          && sequence != (target.sequence + 1 & 0xff)
          && target.step != Step.FILE) {
        if (target.step != Step.FIRST || sequence != (lastSequence + 1 & 0xff)) {
          return INVALID;
        }
        // What follows the definitions of a prepared statement without CLIENT_DEPRECATE_EOF.
        target = null;
        lastSequence = sequence;
        return 0;
      }
      target.sequence = sequence;
      return MAX_ANSWER;
    }

    @Override
    void goesOn(int sequence) {
      if (target != null) {
        target.sequence = sequence;
      }
    }

    @Override
    void bytes(long n) {
      if (target != null) {
        target.received(chunk, n);
      }
    }

    @Override
    void payload(byte[] body, int kept, long length, boolean cut) {
      Exec exec = target;
      int first = kept > 0 ? body[0] & 0xff : -1;
      if (!authenticated) {
        if (first == 0) {
          authenticated();
        }
        return;
      }
      if (exec == null || exec != pending.peek()) {
        return;
      }
      if (exec.step == Step.DEFINITIONS) {
        definition(exec, first, length);
      } else if (first < 0) {
        counters.truncatedMessages.increment();
        lose();
      } else if (first == 0xff) {
        error(exec, body, kept);
      } else if (exec.step == Step.FIRST || exec.step == Step.FILE) {
        first(exec, first, body, kept, length);
      } else {
        row(exec, first, body, kept, length);
      }
    }

    private void authenticated() {
      authenticated = true;
      if (capabilities >= 0 && (capabilities & (MySqlSyntax.COMPRESS | MySqlSyntax.ZSTD)) != 0) {
        counters.compressedConnections.increment();
        verdict = Verdict.STOP;
        frontend.stop();
        stop();
      }
    }

    private void first(Exec exec, int first, byte[] body, int kept, long length) {
      exec.step = Step.FIRST;
      switch (exec.answer) {
        case RESULT -> {
          if (first == 0 || (first == 0xfe && length < 9)) {
            over(exec, status(body, kept, length));
          } else if (first == 0xfb) {
            exec.step = Step.FILE;
          } else {
            columns(exec, body, kept, length);
          }
        }
        case ROWS -> {
          exec.step = Step.ROWS;
          row(exec, first, body, kept, length);
        }
        case PREPARED -> {
          if (kept >= 9) {
            statements.put((int) int32(body, 1), prepared(exec));
            exec.definitions = (long) int16(body, 5) + int16(body, 7);
            exec.step = Step.DEFINITIONS;
          }
          if (exec.definitions == 0) {
            over(exec, status);
          }
        }
        case ONE -> over(exec, status);
        case AUTHENTICATION -> {
          if (first == 0) {
            over(exec, status);
          }
        }
      }
    }

    private SqlStatement prepared(Exec exec) {
      SqlStatement statement = exec.statement;
      return statement != null ? statement : new SqlStatement("", true);
    }

    private void columns(Exec exec, byte[] body, int kept, long length) {
      long count = MySqlSyntax.lenenc(body, 0, kept);
      if (count <= 0 || count > 0xffff) {
        counters.parseErrors.increment();
        lose();
        return;
      }
      // A byte after it says whether definitions follow, if both sides agreed on leaving them out.
      int size = MySqlSyntax.lenencSize(body[0]);
      boolean left = length == size + 1L && kept > size && body[size] == 0;
      exec.definitions = count;
      exec.step = left ? Step.AFTER_DEFINITIONS : Step.DEFINITIONS;
    }

    private void definition(Exec exec, int first, long length) {
      if (first == 0xfe && length == 5) {
        return; // between parameters and columns
      }
      if (--exec.definitions == 0) {
        if (exec.answer == Answer.PREPARED) {
          over(exec, status);
        } else {
          exec.step = Step.AFTER_DEFINITIONS;
        }
      }
    }

    private void row(Exec exec, int first, byte[] body, int kept, long length) {
      if (first != 0xfe || length >= 0xffffff) {
        exec.step = Step.ROWS;
        return;
      }
      int flags = status(body, kept, length);
      if (exec.step == Step.AFTER_DEFINITIONS
          && length == 5
          && (flags & MySqlSyntax.CURSOR_EXISTS) == 0) {
        exec.step = Step.ROWS;
      } else {
        over(exec, flags);
      }
    }

    /** The status flags of an OK or EOF. */
    private int status(byte[] body, int kept, long length) {
      int at = 3;
      if (length != 5) {
        at = 1;
        for (int i = 0; i < 2 && at < kept; i++) {
          at += MySqlSyntax.lenencSize(body[at]);
        }
      }
      if (at + 2 > kept) {
        if (length > at + 1) {
          counters.truncatedMessages.increment();
        }
        return status & ~MySqlSyntax.MORE_RESULTS;
      }
      return int16(body, at);
    }

    private void error(Exec exec, byte[] body, int kept) {
      if (kept < 3) {
        counters.truncatedMessages.increment();
      } else if (int16(body, 1) == PROGRESS) {
        return;
      } else {
        exec.code = Integer.toString(int16(body, 1));
      }
      exec.failed = true;
      over(exec, status & ~MySqlSyntax.MORE_RESULTS);
    }

    private void over(Exec exec, int flags) {
      status = flags;
      exec.step = Step.FIRST;
      if ((flags & MySqlSyntax.MORE_RESULTS) != 0 && exec.answer == Answer.RESULT) {
        return;
      }
      pending.poll();
      lastSequence = exec.sequence;
      exec.emit(exec.lastReceivedNs(), true);
      if (exec.failed) {
        return;
      }
      if (exec.newDatabase != null || exec.newUser != null) {
        database = exec.newDatabase;
      }
      if (exec.newUser != null) {
        user = exec.newUser;
      }
      if (exec.forgetsStatements) {
        statements.clear();
        lastPrepared = null;
      }
    }

    @Override
    void framesLost() {
      target = pending.peek();
    }

    @Override
    void lostChunkEnd(long before, long last) {
      int flags = resultSetEnd(before, last);
      if (flags < 0 || (flags & MySqlSyntax.MORE_RESULTS) != 0 || pending.isEmpty()) {
        return;
      }
      counters.resynchronised.increment();
      reset();
      status = flags;
      // How many more were answered in the unseen bytes is unknown; an early end is the lesser
      // evil, because a call left behind would take the answers of all that follow.
      for (Exec exec = pending.poll(); exec != null; exec = pending.poll()) {
        if (!exec.answered()) {
          exec.received(chunk, 0);
        }
        exec.emit(exec.lastReceivedNs(), true);
      }
      overflow = 0;
    }
  }
}
