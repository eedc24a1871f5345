package dev.underspan.bridge.wire;

import dev.underspan.bridge.map.BoundedMap;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Client side PostgreSQL, simple and extended query protocol (PostgreSQL documentation, chapter
 * "Frontend/Backend Protocol").
 *
 * <p>What a client sends up to a Sync (or a simple Query) is a group; the server answers a group
 * with one ReadyForQuery, and within it every Execute in order.
 */
final class PgProtocol implements Protocol {
  private static final String SYSTEM = "postgresql";
  private static final int MAX_IN_FLIGHT = 256;
  private static final int MAX_STATEMENTS = 256;
  private static final int MAX_PORTALS = 64;
  private static final int MAX_NAME = 256;
  private static final String OTHER = "_OTHER";
  // 'Z', length 5; the status byte follows. 'S', length 4.
  private static final long READY = 0x5A00000005L;
  private static final long SYNC = 0x5300000004L;

  private final Calls sink;
  private final WireCounters counters;
  private final Frontend frontend;
  private final Backend backend;
  private final Map<String, SqlStatement> statements = BoundedMap.byUse(MAX_STATEMENTS);
  private final Map<String, SqlStatement> portals = BoundedMap.byUse(MAX_PORTALS);
  private final ArrayDeque<Group> groups = new ArrayDeque<>();
  private @Nullable Group open;
  private int inFlight;
  // Groups after the last kept one; their answers come last.
  private int spilled;
  private boolean authenticated;
  private boolean encryptionAsked;
  private int transactionStatus = 'I';
  private @Nullable String database;
  private @Nullable String user;
  private Verdict verdict = Verdict.CONTINUE;
  private Chunk chunk = new Chunk();

  PgProtocol(Role role, boolean midway, Calls sink, WireCounters counters) {
    if (role != Role.CLIENT) {
      throw new IllegalArgumentException("only the client side is read");
    }
    this.sink = sink;
    this.counters = counters;
    this.frontend = new Frontend();
    this.backend = new Backend();
    this.authenticated = midway;
    frontend.untyped(!midway);
  }

  @Override
  public Verdict onChunk(Chunk chunk) {
    this.chunk = chunk;
    if (chunk.direction == Direction.SENT) {
      frontend.next();
    } else {
      backend.next();
    }
    return verdict;
  }

  @Override
  public void onLoss() {
    if (!authenticated) {
      // Whatever was lost, the next statement comes after authentication.
      authenticated = true;
      frontend.untyped(false);
    }
    encryptionAsked = false;
    counters.callsDropped.add(inFlight);
    groups.clear();
    open = null;
    inFlight = 0;
    spilled = 0;
    frontend.forget();
    backend.forget();
  }

  @Override
  public void onClose(long timeNs, boolean error) {
    boolean first = true;
    for (Group group : groups) {
      boolean done = first && !error && group.synced && backend.isLost() && group.answered();
      if (done) {
        counters.resynchronised.increment();
        finishAtLastRead(group);
      } else {
        // Those before group.done had their answer; only the rest was cut off.
        for (int i = 0; i < group.execs.size(); i++) {
          Exec exec = group.execs.get(i);
          boolean answered = i < group.done && exec.answered();
          exec.emit(answered ? exec.lastReceivedNs() : timeNs, answered);
        }
      }
      first = false;
    }
    groups.clear();
  }

  private final class Exec extends PendingCall {
    @Nullable SqlStatement statement;
    @Nullable String sqlState;
    @Nullable String tag;
    boolean failedUnseen;

    Exec(Chunk first) {
      super(first);
    }

    void emit(long endNs, boolean complete) {
      String error =
          sqlState != null
              ? sqlState
              : !complete ? ClientCall.CONNECTION_CLOSED : failedUnseen ? OTHER : null;
      SqlStatement s = statement;
      if (s == null) {
        counters.unknownStatements.increment();
        sink.emit(
            this,
            endNs,
            error,
            complete,
            new ClientCall.Sql(SYSTEM, "", true, "", tag, null, database, user, sqlState));
        return;
      }
      SqlSummary summary = s.summary(SqlDialect.POSTGRESQL);
      sink.emit(
          this,
          endNs,
          error,
          complete,
          new ClientCall.Sql(
              SYSTEM,
              s.text,
              s.cut,
              summary.sanitised(),
              summary.operation(),
              summary.target(),
              database,
              user,
              sqlState));
    }
  }

  private static final class Group {
    final List<Exec> execs = new ArrayList<>(2);
    int done;
    int dropped;
    int failedAt = -1;
    boolean synced;
    // A simple Query: any number of CommandCompletes belong to its one call.
    boolean simple;
    // Its answers were partly unseen, so they were not counted.
    boolean unseen;
    boolean spilled;
    // A Parse without Execute: a call only if it fails.
    @Nullable Exec prepare;

    @Nullable Exec current() {
      if (execs.isEmpty()) {
        return prepare;
      }
      // Beyond the last kept one come the answers of the dropped.
      return execs.get(Math.min(done, execs.size() - 1));
    }

    boolean answered() {
      return !execs.isEmpty() && execs.get(0).answered();
    }
  }

  private Group openGroup() {
    Group group = open;
    if (group == null) {
      group = new Group();
      open = group;
      if (spilled > 0 || groups.size() >= MAX_IN_FLIGHT) {
        group.spilled = true;
        spilled++;
      } else {
        groups.add(group);
      }
    }
    return group;
  }

  private void sync(Group group) {
    group.synced = true;
    open = null;
  }

  private void add(Group group, Exec exec) {
    if (group.spilled || group.dropped > 0 || inFlight >= MAX_IN_FLIGHT) {
      group.dropped++;
      counters.callsDropped.increment();
    } else {
      group.execs.add(exec);
      inFlight++;
    }
  }

  /** Reports a group whose ReadyForQuery was seen or must have been. */
  private void finish(Group group, boolean failedUnseen) {
    inFlight -= group.execs.size();
    if (group == open) {
      open = null;
    }
    Exec prepare = group.prepare;
    if (group.execs.isEmpty()) {
      if (prepare != null && group.failedAt >= 0) {
        prepare.emit(prepare.lastReceivedNs(), true);
      }
      return;
    }
    int last = group.failedAt >= 0 ? group.failedAt : group.execs.size() - 1;
    for (int i = 0; i < group.execs.size(); i++) {
      Exec exec = group.execs.get(i);
      if (i > last) {
        counters.callsSkipped.increment();
        continue;
      }
      exec.failedUnseen |= failedUnseen && i == last;
      if (!exec.answered()) {
        // Its answer was among unseen bytes of this very chunk or one before.
        exec.received(chunk, 0);
      }
      exec.emit(exec.lastReceivedNs(), true);
    }
  }

  /** Drops what is known of responses: a new request begins, so the last one is over. */
  private void resynchronise() {
    counters.resynchronised.increment();
    while (!groups.isEmpty() && groups.getFirst().synced) {
      Group group = groups.removeFirst();
      if (group.answered()) {
        finishAtLastRead(group);
      } else {
        inFlight -= group.execs.size();
        counters.callsDropped.add(group.execs.size());
      }
    }
    spilled = open != null && open.spilled ? 1 : 0;
    backend.reset();
  }

  private void finishAtLastRead(Group group) {
    inFlight -= group.execs.size();
    for (Exec exec : group.execs) {
      if (exec.answered()) {
        exec.emit(exec.lastReceivedNs(), true);
      } else {
        counters.callsDropped.increment();
      }
    }
  }

  private final class Frontend extends PgMessageReader {
    private @Nullable Exec building;
    private @Nullable SqlStatement buildingStatement;
    private boolean buildingNamed;
    // Where a header began if the chunk ended within it.
    private @Nullable Exec early;
    private @Nullable Exec target;

    Frontend() {
      super(PgProtocol.this.counters);
    }

    void forget() {
      building = null;
      buildingStatement = null;
      target = null;
      lose();
    }

    @Override
    boolean endsAll(long window) {
      return false;
    }

    void next() {
      if (isLost()
          && PgSyntax.frontend(chunk.data, chunk.captured(), chunk.hole() == 0) == Match.YES) {
        counters.resynchronised.increment();
        reset();
      }
      feed(chunk, 0);
      if (midHeader() && building == null && early == null) {
        early = new Exec(chunk);
      }
    }

    @Override
    int header(int type, long body) {
      if (untyped()) {
        target = null;
        early = null;
        return body >= 4 && body <= PgSyntax.MAX_STARTUP ? 4096 : INVALID;
      }
      if (!PgSyntax.frontendHeader(type, body)) {
        return INVALID;
      }
      Exec begun = early;
      early = null;
      switch (type) {
        case 'Q', 'P', 'B', 'E', 'D', 'C', 'F' -> {
          if (backend.isLost() && !groups.isEmpty() && over(groups.getFirst())) {
            resynchronise();
          }
          if (building == null) {
            building = begun != null ? begun : new Exec(chunk);
            buildingStatement = null;
            buildingNamed = false;
          }
          target = building;
        }
        case 'H' -> target = building;
        case 'S', 'd', 'c', 'f' -> target = building != null ? building : lastExec();
        default -> target = null;
      }
      return switch (type) {
        case 'Q', 'P' -> SqlStatement.MAX_TEXT + MAX_NAME;
        case 'B' -> 2 * MAX_NAME;
        case 'E', 'C', 'D' -> MAX_NAME;
        default -> 0;
      };
    }

    private boolean over(Group group) {
      return group.synced && group.answered();
    }

    private @Nullable Exec lastExec() {
      Group group = groups.peekLast();
      return group == null || group.execs.isEmpty()
          ? null
          : group.execs.get(group.execs.size() - 1);
    }

    @Override
    void bytes(long n) {
      if (target != null) {
        target.sent(chunk, n);
      }
    }

    @Override
    void message(int type, byte[] body, int length, boolean cut) {
      switch (type) {
        case 0 -> startup(body, length);
        case 'Q' -> {
          Group group = openGroup();
          group.simple = group.execs.isEmpty();
          buildingStatement = statement(body, 0, length, cut);
          attach(group);
          sync(group);
        }
        case 'P' -> {
          int zero = PgSyntax.zero(body, 0, length);
          if (zero < length) {
            buildingStatement = statement(body, zero + 1, length, cut);
            buildingNamed = true;
            statements.put(PgSyntax.text(body, 0, zero), buildingStatement);
          } else {
            counters.truncatedMessages.increment();
          }
        }
        case 'B' -> {
          int zero = PgSyntax.zero(body, 0, length);
          int end = PgSyntax.zero(body, zero + 1, length);
          if (zero < length && end < length) {
            SqlStatement statement = statements.get(PgSyntax.text(body, zero + 1, end));
            String portal = PgSyntax.text(body, 0, zero);
            if (statement == null) {
              portals.remove(portal);
            } else {
              portals.put(portal, statement);
            }
            buildingStatement = statement;
            buildingNamed = true;
          } else {
            counters.truncatedMessages.increment();
          }
        }
        case 'E' -> {
          int zero = PgSyntax.zero(body, 0, length);
          if (zero < length) {
            buildingStatement = portals.get(PgSyntax.text(body, 0, zero));
          } else {
            // The portal's name was not captured; most likely it is the one just bound.
            counters.truncatedMessages.increment();
          }
          attach(openGroup());
        }
        case 'C' -> {
          int end = PgSyntax.zero(body, 1, length);
          if (length > 1 && end < length) {
            (body[0] == 'S' ? statements : portals).remove(PgSyntax.text(body, 1, end));
          }
        }
        case 'S' -> {
          Group group = openGroup();
          if (building != null && buildingStatement != null) {
            building.statement = buildingStatement;
            group.prepare = building;
          }
          building = null;
          sync(group);
        }
        case 'F' -> {
          building = null;
          sync(openGroup());
        }
        case 'p', 'X' -> building = null;
        default -> {}
      }
    }

    private void startup(byte[] body, int length) {
      int code = length >= 4 ? PgSyntax.int32(body, 0) : 0;
      if (code == PgSyntax.SSL_REQUEST || code == PgSyntax.GSS_REQUEST) {
        encryptionAsked = true;
      } else if (code >>> 16 == 3) {
        untyped(false);
        int at = 4;
        while (at < length && body[at] != 0) {
          int key = PgSyntax.zero(body, at, length);
          int value = PgSyntax.zero(body, key + 1, length);
          if (value >= length) {
            at = length;
            break;
          }
          switch (PgSyntax.text(body, at, key)) {
            case "user" -> user = PgSyntax.text(body, key + 1, value);
            case "database" -> database = PgSyntax.text(body, key + 1, value);
            default -> {}
          }
          at = value + 1;
        }
        if (at >= length) {
          // No terminator: some parameters were not captured.
          counters.truncatedMessages.increment();
        }
        if (database == null) {
          // The server's default.
          database = user;
        }
      } else if (code != PgSyntax.CANCEL_REQUEST) {
        counters.parseErrors.increment();
        verdict = Verdict.NOT_MINE;
        stop();
      }
    }

    private SqlStatement statement(byte[] body, int from, int length, boolean cut) {
      int zero = PgSyntax.zero(body, from, length);
      return SqlStatement.of(body, from, zero, zero == length && cut);
    }

    private void attach(Group group) {
      Exec exec = building;
      if (exec != null) {
        exec.statement = buildingStatement;
        add(group, exec);
      }
      building = null;
      buildingStatement = null;
    }

    @Override
    void lost() {
      early = null;
    }

    @Override
    void lostChunkEnd(long window) {
      if ((window & 0xFFFFFFFFFFL) == SYNC) {
        counters.resynchronised.increment();
        endLostGroup();
      }
    }

    /** The Sync of a group is known to be sent, but not what went before it. */
    void endLostGroup() {
      if (building != null || open != null) {
        Group group = openGroup();
        // A Parse or Bind whose Execute was not seen: one is nearly always there.
        if (building != null && buildingNamed) {
          attach(group);
        }
        building = null;
        group.unseen = true;
        sync(group);
      }
      reset();
    }
  }

  private final class Backend extends PgMessageReader {
    private @Nullable Exec target;

    Backend() {
      super(PgProtocol.this.counters);
    }

    void forget() {
      target = null;
      lose();
    }

    @Override
    boolean endsAll(long window) {
      int status = (int) (window & 0xff);
      return (window >>> 8 & 0xFFFFFFFFFFL) == READY
          && (status == 'I' || status == 'T' || status == 'E');
    }

    void next() {
      int from = 0;
      if (encryptionAsked && chunk.totalLength > 0) {
        encryptionAsked = false;
        int answer = chunk.captured() > 0 ? chunk.data[0] : 0;
        if (answer == 'S' || answer == 'G') {
          counters.tlsConnections.increment();
          verdict = Verdict.STOP;
          return;
        }
        from = answer == 'N' ? 1 : 0;
      }
      feed(chunk, from);
    }

    @Override
    int header(int type, long body) {
      if (!PgSyntax.backendHeader(type, body)) {
        return INVALID;
      }
      Group group = groups.peekFirst();
      target = group == null ? null : group.current();
      return switch (type) {
        case 'E' -> 1024;
        case 'Z' -> 1;
        case 'C' -> 32;
        default -> 0;
      };
    }

    @Override
    void bytes(long n) {
      if (target != null) {
        target.received(chunk, n);
      }
    }

    @Override
    void message(int type, byte[] body, int length, boolean cut) {
      Group group = groups.peekFirst();
      switch (type) {
        case 'C', 'I', 's' -> {
          if (group != null && group.done < group.execs.size()) {
            Exec exec = group.execs.get(group.done);
            if (exec.tag == null && length > 0) {
              exec.tag = firstWord(body, length);
            }
            if (!group.simple) {
              group.done++;
            }
          } else if (group != null) {
            group.done++;
          }
        }
        case 'E' -> {
          if (group != null) {
            error(group, sqlState(body, length));
          }
        }
        case 'Z' -> {
          int before = transactionStatus;
          transactionStatus = length > 0 ? body[0] : 'I';
          ready(group, group != null && group.unseen && turnedBad(before, group));
        }
        default -> {}
      }
    }

    private boolean turnedBad(int before, Group group) {
      return transactionStatus == 'E' && before != 'E' && group.failedAt < 0;
    }

    private void error(Group group, @Nullable String state) {
      if (group.failedAt >= 0) {
        return;
      }
      // After the last answer only Sync itself can fail, e.g. a deferred constraint. Dropped ones
      // come after the kept ones, and so do their errors.
      if (group.done >= group.execs.size() && group.dropped > 0) {
        return;
      }
      Exec exec = group.current();
      if (exec != null) {
        exec.sqlState = state;
        exec.failedUnseen = state == null;
        group.failedAt = Math.min(group.done, Math.max(0, group.execs.size() - 1));
      }
    }

    private void ready(@Nullable Group group, boolean failedUnseen) {
      target = null;
      if (!authenticated) {
        authenticated = true;
        return;
      }
      if (frontend.isLost()) {
        frontend.endLostGroup();
        counters.resynchronised.increment();
      }
      Group first = group != null ? group : groups.peekFirst();
      if (first != null) {
        groups.removeFirst();
        finish(first, failedUnseen);
      } else if (spilled > 0) {
        spilled--;
        if (open != null && open.spilled && spilled == 0) {
          open = null;
        }
      }
    }

    private @Nullable String sqlState(byte[] body, int length) {
      int at = 0;
      while (at < length && body[at] != 0) {
        int end = PgSyntax.zero(body, at + 1, length);
        if (body[at] == 'C' && end < length) {
          return PgSyntax.text(body, at + 1, Math.min(end, at + 6));
        }
        at = end + 1;
      }
      counters.truncatedMessages.increment();
      return null;
    }

    private String firstWord(byte[] body, int length) {
      int end = 0;
      while (end < length && body[end] >= 'A' && body[end] <= 'Z') {
        end++;
      }
      return PgSyntax.text(body, 0, end);
    }

    @Override
    void lost() {
      Group group = groups.peekFirst();
      if (group != null) {
        group.unseen = true;
        target = group.current();
      }
    }

    @Override
    void lostChunkEnd(long window) {
      if (!endsAll(window)) {
        return;
      }
      counters.resynchronised.increment();
      int before = transactionStatus;
      transactionStatus = (int) (window & 0xff);
      reset();
      Group group = groups.peekFirst();
      if (group == null || !authenticated) {
        ready(group, false);
        return;
      }
      boolean failed = turnedBad(before, group);
      ready(group, failed);
      // How many more were answered in the unseen bytes is unknown; an early end is the lesser
      // evil, because a group left behind would take the answers of all that follow.
      while (!groups.isEmpty() && groups.getFirst().synced) {
        finish(groups.removeFirst(), false);
      }
      spilled = open != null && open.spilled ? 1 : 0;
    }
  }
}
