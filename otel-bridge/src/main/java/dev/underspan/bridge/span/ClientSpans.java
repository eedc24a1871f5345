package dev.underspan.bridge.span;

import dev.underspan.abi.Layout;
import dev.underspan.bridge.activity.Budget;
import dev.underspan.bridge.clock.EpochClock;
import dev.underspan.bridge.wire.ClientCall;
import dev.underspan.bridge.wire.TlsFacts;
import dev.underspan.bridge.wire.TraceHead;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanId;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceId;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Makes client spans of calls read from the wire. One thread at a time. */
public final class ClientSpans implements Consumer<ClientCall> {
  private final Tracer tracer;
  private final WireIdGenerator ids;
  private final InjectedSpans injected;
  private final AnnouncedCalls announcedCalls;
  private final EpochClock clock;
  private final String level;

  /**
   * Spans go to the tracer, whose SDK uses the id generator.
   *
   * @param level what {@code underspan.level} says
   */
  public ClientSpans(
      Tracer tracer,
      WireIdGenerator ids,
      InjectedSpans injected,
      AnnouncedCalls announcedCalls,
      EpochClock clock,
      String level) {
    this.level = level;
    this.tracer = tracer;
    this.ids = ids;
    this.injected = injected;
    this.announcedCalls = announcedCalls;
    this.clock = clock;
  }

  @Override
  public void accept(ClientCall call) {
    TraceHead parent = call.parent();
    long spanId = 0;
    TraceHead announced = call.details().injected();
    if (announced != null) {
      TraceHead known = injected.take(announced.spanId());
      if (known != null) {
        parent = known;
        spanId = announced.spanId();
      } else if (parent == null) {
        // Somebody else's header: their span is the nearest thing to a parent.
        parent = announced;
      }
    }
    AnnouncedCalls.Announced linked =
        call.details() instanceof ClientCall.Messaging messaging && messaging.clientId() != null
            ? announcedCalls.take(messaging.clientId(), call.number())
            : null;
    if (linked != null) {
      parent = linked.parent();
    }
    EpochClock.Anchor anchor = clock.anchor();
    SpanBuilder builder =
        tracer
            .spanBuilder(CallAttributes.name(call))
            .setSpanKind(SpanKind.CLIENT)
            .setStartTimestamp(anchor.epochNanos(call.startNs()), TimeUnit.NANOSECONDS)
            .setParent(parent == null ? Context.root() : Context.root().with(wrap(parent)));
    if (linked == null) {
      ids.next(spanId);
    } else {
      ids.next(linked.context());
    }
    Span span = builder.startSpan();
    ids.next(0);
    if (span.isRecording()) {
      CallAttributes.describe(span, call);
      budget(span, call);
    }
    span.end(anchor.epochNanos(call.endNs()), TimeUnit.NANOSECONDS);
  }

  private static Span wrap(TraceHead head) {
    return Span.wrap(
        SpanContext.create(
            TraceId.fromLongs(head.traceIdHigh(), head.traceIdLow()),
            SpanId.fromLong(head.spanId()),
            TraceFlags.fromByte((byte) head.flags()),
            TraceState.getDefault()));
  }

  private void budget(Span span, ClientCall call) {
    Budget budget = new Budget();
    Account begin = (Account) call.accountBegin();
    Account end = (Account) call.accountEnd();
    long duration = call.endNs() - call.startNs();
    if (begin != null && end != null && begin.comparable(end)) {
      budget.add(begin.ns(), end.ns());
      // From the first segment's departure to the account's reading the thread was in the call.
      budget.ns[Layout.KIND_CPU] += Math.max(0, begin.atNs() - call.startNs());
      // A call cut off by its connection's end was on no thread after the last read.
      budget.idle = Math.max(0, call.endNs() - end.atNs());
    } else {
      // On no one thread: the answer was on its way, then waited for a reader.
      long answered = call.firstByteNs() > 0 ? call.firstByteNs() : call.endNs();
      long network = Math.min(Math.max(0, answered - call.startNs()), duration);
      budget.ns[Layout.KIND_NETWORK] = network;
      budget.idle = duration - network;
    }
    budget.writeTo(span);
    span.setAttribute(Keys.LEVEL, level);
    NetFacts facts = new NetFacts();
    facts.add(call);
    facts.writeTo(span);
    TlsFacts tls = call.connection().tls();
    if (call.firstOnConnection() && tls != null) {
      Keys.set(span, Keys.NET_TLS, tls.handshakeNs);
    }
  }

  /**
   * A thread's account at a socket event.
   *
   * @param atNs when, CLOCK_MONOTONIC
   * @param ns nanoseconds by kind
   * @param thread names the thread, platform or virtual; 0 when it had no span or is not known
   */
  @SuppressWarnings("ArrayRecordComponent") // never compared, and a copy would cost an allocation
  public record Account(long atNs, long[] ns, long thread) {
    boolean comparable(@Nullable Account other) {
      return other != null && thread != 0 && thread == other.thread;
    }
  }
}
