package dev.underspan.bridge.wire;

import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * Client side Redis, RESP2 and RESP3 (Redis documentation, "Redis serialization protocol
 * specification"): replies come in the order of the commands. Inline commands are not read.
 *
 * <p>What is pushed by the server answers nothing, with one exception: the confirmations of the
 * SUBSCRIBE family are pushed, one for each channel.
 *
 * <p>Of a command only its name and the number of its arguments are kept.
 */
final class RedisProtocol implements Protocol {
  private static final String SYSTEM = "redis";
  private static final String OTHER = "_OTHER";
  private static final int MAX_IN_FLIGHT = 256;
  private static final int MAX_PLACEHOLDERS = 32;
  // What is read of arguments that change the connection, and forgotten: an index, a sub-command.
  private static final int MAX_ARGUMENT = 16;

  private final Calls sink;
  private final WireCounters counters;
  private final Requests requests;
  private final Responses responses;
  private final ArrayDeque<Command> pending = new ArrayDeque<>();
  // Commands after the last pending one that were not kept; their replies come last.
  private int overflow;
  private boolean anyRequest;
  // Since the last command was sent; if not, that one at least has no reply yet.
  private boolean receivedSinceSent;
  private boolean version3;
  private boolean subscribed;
  // CLIENT REPLY: commands that get no reply, all or so many.
  private boolean silent;
  private int silentNext;
  // Unknown if the connection was joined midway.
  private long database;
  private long queuedDatabase = -1;
  private Verdict verdict = Verdict.CONTINUE;
  private Chunk chunk = new Chunk();

  RedisProtocol(Role role, boolean midway, Calls sink, WireCounters counters) {
    if (role != Role.CLIENT) {
      throw new IllegalArgumentException("only the client side is read");
    }
    this.sink = sink;
    this.counters = counters;
    this.requests = new Requests();
    this.responses = new Responses();
    this.database = midway ? -1 : 0;
  }

  @Override
  public Verdict onChunk(Chunk chunk) {
    this.chunk = chunk;
    if (chunk.direction == Direction.SENT) {
      requests.next();
    } else {
      responses.feed(chunk);
      receivedSinceSent = true;
    }
    return verdict;
  }

  @Override
  public void onLoss() {
    counters.callsDropped.add(pending.size());
    pending.clear();
    overflow = 0;
    queuedDatabase = -1;
    requests.forget();
    responses.forget();
  }

  @Override
  public void onClose(long timeNs, boolean error) {
    boolean first = true;
    for (Command call : pending) {
      if (first && !error && call.answered() && responses.isLost()) {
        counters.resynchronised.increment();
        call.emit(call.lastReceivedNs(), true);
      } else {
        call.emit(timeNs, false);
      }
      first = false;
    }
    pending.clear();
  }

  /** A new command begins although the last reply's end was not seen: it must have been. */
  private void resynchronise() {
    counters.resynchronised.increment();
    for (Command call : pending) {
      if (call.answered()) {
        call.emit(call.lastReceivedNs(), true);
      } else {
        counters.callsDropped.increment();
      }
    }
    pending.clear();
    overflow = 0;
    responses.reset();
  }

  private final class Command extends PendingCall {
    String name = "";
    long arguments;
    // The index that SELECT names.
    long selected = -1;
    // Confirmations still due to a command of the SUBSCRIBE family.
    long confirmations;
    boolean emitted;
    boolean failed;
    @Nullable String argument;
    @Nullable String errorKind;

    Command(Chunk first) {
      super(first);
    }

    boolean subscribes() {
      return name.equals("SUBSCRIBE") || name.equals("PSUBSCRIBE") || name.equals("SSUBSCRIBE");
    }

    boolean confirmed() {
      return subscribes()
          || name.equals("UNSUBSCRIBE")
          || name.equals("PUNSUBSCRIBE")
          || name.equals("SUNSUBSCRIBE");
    }

    private String text() {
      StringBuilder text = new StringBuilder(name);
      for (int i = 0; i < Math.min(arguments, MAX_PLACEHOLDERS); i++) {
        text.append(" ?");
      }
      return arguments > MAX_PLACEHOLDERS ? text.append(" ...").toString() : text.toString();
    }

    void emit(long endNs, boolean complete) {
      emitted = true;
      String error =
          errorKind != null
              ? errorKind
              : !complete ? ClientCall.CONNECTION_CLOSED : failed ? OTHER : null;
      sink.emit(
          this,
          endNs,
          error,
          complete,
          new ClientCall.Command(
              SYSTEM,
              name.isEmpty() ? null : name,
              name.isEmpty() ? "" : text(),
              database < 0 ? null : Long.toString(database),
              errorKind));
    }
  }

  private final class Requests extends RespReader {
    private @Nullable Command current;
    private boolean kept;

    Requests() {
      super(RedisProtocol.this.counters);
    }

    void forget() {
      current = null;
      lose();
    }

    void next() {
      // In the middle of a command another one can only be told if the first was answered already.
      boolean stray = isLost() || (inValue() && current != null && current.emitted);
      if (stray && RespSyntax.command(chunk.data, chunk.captured()) == Match.YES) {
        counters.resynchronised.increment();
        reset();
      }
      feed(chunk);
    }

    @Override
    boolean begin(int type) {
      if (type != '*') {
        return false;
      }
      if (responses.isLost() && (receivedSinceSent || pending.isEmpty())) {
        resynchronise();
      }
      receivedSinceSent = false;
      current = new Command(chunk);
      kept = false;
      return true;
    }

    @Override
    void bytes(long n) {
      if (current != null && !current.emitted) {
        current.sent(chunk, n);
      }
    }

    @Override
    int element(int index, int type, long length) {
      Command call = current;
      if (call == null || index == 0) {
        if (call != null) {
          call.arguments = length - 1;
        }
        return 0;
      }
      if (type != '$' || length < 0 || (index == 1 && length > RespSyntax.MAX_NAME)) {
        return INVALID;
      }
      if (index == 1) {
        return RespSyntax.MAX_NAME;
      }
      if (!kept) {
        // Its name was not captured.
        keep(call);
      }
      return switch (call.name) {
        case "SELECT", "HELLO" -> index == 2 ? MAX_ARGUMENT : 0;
        case "CLIENT" -> index <= 3 ? MAX_ARGUMENT : 0;
        default -> 0;
      };
    }

    @Override
    void text(int index, int type, byte[] data, int length) {
      Command call = current;
      if (call == null) {
        return;
      }
      if (index == 1) {
        call.name = RespSyntax.name(data, length);
        keep(call);
      } else if (call.name.equals("SELECT")) {
        call.selected = RespSyntax.number(data, 0, length);
      } else {
        String before = call.argument;
        String word = RespSyntax.upper(data, length);
        call.argument = before == null ? word : before + ' ' + word;
      }
    }

    /** There will be a reply to it, whatever becomes of its rest. */
    private void keep(Command call) {
      kept = true;
      anyRequest = true;
      call.confirmations = call.confirmed() ? Math.max(1, call.arguments) : 0;
      subscribed |= call.subscribes();
      if (silent && call.name.equals("CLIENT")) {
        return; // its arguments may end the silence
      }
      if (silent || silentNext > 0) {
        silentNext = Math.max(0, silentNext - 1);
        counters.callsDropped.increment();
      } else if (overflow > 0 || pending.size() >= MAX_IN_FLIGHT) {
        overflow++;
        counters.callsDropped.increment();
      } else {
        pending.add(call);
      }
    }

    @Override
    void end() {
      Command call = current;
      current = null;
      if (call == null || call.arguments < 0) {
        return;
      }
      if (!kept) {
        keep(call);
      }
      switch (call.name) {
        case "CLIENT" -> reply(call);
        case "SYNC", "PSYNC" -> leave();
        default -> {}
      }
    }

    private void reply(Command call) {
      String argument = call.argument == null ? "" : call.argument;
      if (silent) {
        silent = !argument.equals("REPLY ON");
        if (silent) {
          counters.callsDropped.increment();
        } else {
          keep(call);
        }
      } else if (argument.equals("REPLY OFF")) {
        withdraw(call);
        silent = true;
      } else if (argument.equals("REPLY SKIP")) {
        withdraw(call);
        silentNext = 1;
      }
    }

    private void withdraw(Command call) {
      if (pending.removeLastOccurrence(call)) {
        counters.callsDropped.increment();
      } else if (overflow > 0) {
        overflow--;
      }
    }

    @Override
    void lost() {
      if (!anyRequest) {
        verdict = Verdict.NOT_MINE;
        stop();
      } else if (current != null && !kept) {
        counters.callsDropped.increment();
        current = null;
      }
    }
  }

  /** From here on the connection carries something without replies. */
  private void leave() {
    counters.upgraded.increment();
    verdict = Verdict.STOP;
    requests.stop();
    responses.stop();
  }

  private final class Responses extends RespReader {
    private @Nullable Command current;
    private int type;
    // It may be pushed: its first element tells what it is.
    private boolean push;
    private long pushBytes;
    private String word = "";
    private boolean empty;
    // The number of subscriptions left, as a confirmation says.
    private long left;

    Responses() {
      super(RedisProtocol.this.counters);
    }

    void forget() {
      current = null;
      lose();
    }

    @Override
    boolean begin(int type) {
      this.type = type;
      version3 |= RespSyntax.isVersion3(type);
      push = type == '>' || (type == '*' && subscribed && !version3);
      pushBytes = 0;
      word = "";
      empty = false;
      left = -1;
      current = push ? null : pending.peekFirst();
      return true;
    }

    @Override
    void bytes(long n) {
      if (push) {
        pushBytes += n;
      } else if (current != null && !current.emitted) {
        current.received(chunk, n);
      }
    }

    @Override
    int element(int index, int type, long length) {
      if (index == 0) {
        // After an attribute the type is another than at the beginning.
        this.type = type;
        empty = length < 0;
        return type == '!' ? 64 : 0;
      }
      return push && index == 1 ? MAX_ARGUMENT : 0;
    }

    @Override
    void text(int index, int type, byte[] data, int length) {
      if (index > 0 && !push) {
        return;
      }
      if (index == 3 && type == ':') {
        left = RespSyntax.number(data, 0, length);
      }
      if (index > 1) {
        return;
      }
      if (index == 1) {
        word = RespSyntax.upper(data, length);
        return;
      }
      this.type = type;
      if (type == '+') {
        word = RespSyntax.upper(data, length);
      } else if ((type == '-' || type == '!') && current != null) {
        String kind = RespSyntax.errorKind(data, length);
        current.failed = true;
        current.errorKind = kind.isEmpty() ? null : kind;
      }
    }

    @Override
    void end() {
      if (push) {
        pushed();
        return;
      }
      Command call = current;
      current = null;
      if (call != null && call == pending.peekFirst()) {
        pending.poll();
        call.emit(call.lastReceivedNs(), true);
        if (!call.failed) {
          done(call);
        }
      } else if (overflow > 0) {
        overflow--;
      }
    }

    private void pushed() {
      Command call = pending.peekFirst();
      push = false;
      if (left == 0 && word.endsWith("UNSUBSCRIBE")) {
        subscribed = false;
      }
      boolean mine = call != null && call.confirmations > 0 && call.name.equals(word);
      // In RESP2 a subscriber's PING and QUIT are answered among the pushed messages.
      boolean reply = call != null && type == '*' && !isPubSub(word);
      if (call == null || !(mine || reply)) {
        return;
      }
      call.received(chunk, pushBytes);
      if (mine && --call.confirmations > 0) {
        return;
      }
      pending.poll();
      call.emit(call.lastReceivedNs(), true);
    }

    private static boolean isPubSub(String word) {
      return word.endsWith("MESSAGE") || word.endsWith("SUBSCRIBE");
    }

    /** What a command that did not fail means for those after it. */
    private void done(Command call) {
      switch (call.name) {
        case "SELECT" -> {
          if (call.selected >= 0) {
            if (type == '+' && word.equals("QUEUED")) {
              queuedDatabase = call.selected;
            } else {
              database = call.selected;
            }
          }
        }
        case "EXEC" -> {
          if (queuedDatabase >= 0 && !empty && type != '_') {
            database = queuedDatabase;
          }
          queuedDatabase = -1;
        }
        case "DISCARD" -> queuedDatabase = -1;
        case "HELLO" -> {
          if (call.argument != null) {
            version3 = call.argument.equals("3");
          }
        }
        case "RESET" -> {
          database = 0;
          queuedDatabase = -1;
          version3 = false;
          subscribed = false;
        }
        case "MONITOR" -> leave();
        default -> {}
      }
    }

    @Override
    void lost() {
      if (push) {
        push = false;
        current = null;
      } else if (current == null) {
        current = pending.peekFirst();
      }
    }
  }
}
