package dev.underspan.bridge.activity;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.underspan.abi.Layout;
import dev.underspan.bridge.clock.EpochClock;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Context;
import java.lang.reflect.Method;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class ActivitiesTest {
  private static final String TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
  private static final long FAR = Long.MAX_VALUE / 2;

  private final FakeKernel kernel = new FakeKernel();
  private final Activities activities = new Activities();

  private static Activity activity(String spanId) {
    return new Activity(
        Context.root()
            .with(
                Span.wrap(
                    SpanContext.create(
                        TRACE, spanId, TraceFlags.getSampled(), TraceState.getDefault()))),
        new EpochClock().anchor());
  }

  private static String head(String spanId) {
    return TRACE + "-" + spanId + "-01";
  }

  private static final Activity A = activity("f00000000000000a");
  private static final Activity B = activity("000000000000000b");
  private static final String HEAD_A = head("f00000000000000a");
  private static final String HEAD_B = head("000000000000000b");

  /** Runs on a new thread, or as one, to its end. */
  private static <T> T on(Starter starter, Callable<T> body) throws Exception {
    CompletableFuture<T> result = new CompletableFuture<>();
    starter.start(
        () -> {
          try {
            result.complete(body.call());
          } catch (Throwable e) {
            result.completeExceptionally(e);
          }
        });
    return result.get(30, TimeUnit.SECONDS);
  }

  private interface Starter {
    void start(Runnable body) throws Exception;
  }

  private static void platform(Runnable body) {
    new Thread(body).start();
  }

  @Test
  void idsAsNumbers() {
    assertThat(A.head().traceIdHigh()).isEqualTo(0x4bf92f3577b34da6L);
    assertThat(A.head().traceIdLow()).isEqualTo(0xa3ce929d0e0e4736L);
    assertThat(A.head().spanId()).isEqualTo(0xf00000000000000aL);
    assertThat(A.head().flags()).isEqualTo(1);
  }

  @Test
  void nesting() {
    activities.connect(kernel);
    assertThat(activities.current()).isNull();
    Activities.Scope outer = activities.attach(A);
    assertThat(activities.current()).isSameAs(A);
    assertThat(kernel.head(1)).isEqualTo(HEAD_A);
    Activities.Scope inner = activities.attach(B);
    assertThat(kernel.head(1)).isEqualTo(HEAD_B);
    Activities.Scope nothing = activities.attach(null);
    assertThat(activities.current()).isNull();
    assertThat(kernel.head(1)).isEqualTo("none");
    activities.detach(nothing);
    assertThat(kernel.head(1)).isEqualTo(HEAD_B);
    activities.detach(inner);
    assertThat(activities.current()).isSameAs(A);
    assertThat(kernel.head(1)).isEqualTo(HEAD_A);
    activities.detach(outer);
    assertThat(activities.current()).isNull();
    assertThat(kernel.head(1)).isEqualTo("none");
    assertThat(kernel.enrolments()).isEqualTo(1);
  }

  /** The scope's objects serve one span after the other, also when one ends while it is current. */
  @Test
  void oneScopeForManySpans() {
    activities.connect(kernel);
    Activity first = activity("0000000000000001");
    Activity second = activity("0000000000000002");
    Activity third = activity("0000000000000003");
    long begin = System.nanoTime();
    first.time().begin(begin);
    second.time().begin(begin);
    third.time().begin(begin);

    activities.state();
    kernel.account(1, Layout.KIND_OTHER, FAR, 100, 10);
    Activities.Scope scope = activities.attach(first);
    kernel.account(1, Layout.KIND_OTHER, FAR, 130, 11);
    activities.end(first);
    kernel.account(1, Layout.KIND_OTHER, FAR, 1000, 500); // nobody's any more
    activities.detach(scope);
    assertThat(first.time().budget().ns).startsWith(30, 1, 0);

    assertThat(activities.attach(second)).isSameAs(scope);
    kernel.account(1, Layout.KIND_OTHER, FAR, 1007, 500);
    activities.detach(scope);
    assertThat(activities.attach(third)).isSameAs(scope);
    kernel.account(1, Layout.KIND_OTHER, FAR, 1007, 503);
    activities.end(second);
    activities.detach(scope);
    activities.end(third);
    assertThat(first.time().budget().ns).startsWith(30, 1, 0);
    assertThat(second.time().budget().ns).startsWith(7, 0, 0);
    assertThat(third.time().budget().ns).startsWith(0, 3, 0);
    assertThat(second.time().budget().threads).isEqualTo(1);
  }

  /** Whoever comes while the span ends: its time is told once, and none that is after its end. */
  @Test
  void endedWhileOthersComeAndGo() throws Exception {
    activities.connect(kernel);
    for (int slot = 1; slot <= 2; slot++) {
      kernel.account(slot, Layout.KIND_CPU, 1);
    }
    AtomicReference<@Nullable Activity> running = new AtomicReference<>();
    AtomicBoolean over = new AtomicBoolean();
    Thread other =
        new Thread(
            () -> {
              while (!over.get()) {
                Activity activity = running.get();
                if (activity != null) {
                  activities.detach(activities.attach(activity));
                }
              }
            });
    other.start();
    int together = 0;
    try {
      for (int n = 0; n < 50_000; n++) {
        Activity activity = activity("0000000000000001");
        long begin = System.nanoTime();
        activity.time().begin(begin);
        Activities.Scope scope = activities.attach(activity);
        running.set(activity);
        activities.detach(scope);
        if (n % 2 == 0) {
          scope = activities.attach(activity);
        }
        long lasted = activities.end(activity) - begin;
        if (n % 2 == 0) {
          activities.detach(scope);
        }
        Budget budget = activity.time().budget();
        if (budget.threads > 1) {
          together++;
          assertThat(budget.sum()).isBetween(lasted, 2 * lasted);
        } else {
          assertThat(budget.sum()).isEqualTo(lasted);
        }
      }
    } finally {
      over.set(true);
      other.join();
    }
    assertThat(together).as("so that the test is one").isPositive();
  }

  @Test
  void detachOnAnotherThreadDoesNothing() throws Exception {
    activities.connect(kernel);
    Activities.Scope scope = activities.attach(A);
    Activity there =
        on(
            ActivitiesTest::platform,
            () -> {
              activities.attach(B);
              activities.detach(scope);
              return requireNonNull(activities.current());
            });
    assertThat(there).isSameAs(B);
    assertThat(activities.current()).isSameAs(A);
    assertThat(kernel.head(1)).isEqualTo(HEAD_A);
    assertThat(kernel.head(2)).isEqualTo(HEAD_B);
  }

  @Test
  void withoutKernelTheJavaHalfWorks() {
    Activities.Scope scope = activities.attach(A);
    assertThat(activities.kernel()).isNull();
    assertThat(activities.current()).isSameAs(A);
    assertThat(activities.state().slot()).isEqualTo(-1);
    assertThat(activities.read(activities.state(), new long[12])).isZero();
    assertThat(activities.readRequest(activities.state())).isFalse();

    // The kernel side comes later: the same thread gets its slot then.
    activities.connect(kernel);
    assertThat(activities.kernel()).isSameAs(kernel);
    activities.attach(B);
    assertThat(activities.state().slot()).isEqualTo(1);
    assertThat(kernel.head(1)).isEqualTo(HEAD_B);
    activities.detach(scope);
    assertThat(kernel.head(1)).isEqualTo("none");
  }

  @Test
  void aThreadWithoutSlotWritesNowhereAndAsksOnce() {
    FakeKernel full = new FakeKernel(0);
    activities.connect(full);
    Activities.Scope scope = activities.attach(A);
    activities.detach(scope);
    activities.attach(A);
    assertThat(activities.current()).isSameAs(A);
    assertThat(full.enrolments()).isEqualTo(1);
    assertThat(full.head(1)).isEqualTo("none");
    assertThat(activities.read(activities.state(), new long[12])).isZero();
  }

  @Test
  void aStartedThreadInherits() throws Exception {
    activities.connect(kernel);
    activities.attach(A);
    AtomicReference<@Nullable Activity> seen = new AtomicReference<>();
    Thread thread = new Thread(() -> seen.set(activities.current()));
    activities.threadStarting(thread);
    assertThat(kernel.headByte(1, Layout.TraceHead.INHERIT)).isEqualTo(1);
    // What is current at the start counts, not what comes after.
    activities.attach(B);
    thread.start();
    thread.join();
    assertThat(seen.get()).isSameAs(A);
  }

  @Test
  void withNothingCurrentNothingIsInherited() throws Exception {
    activities.connect(kernel);
    activities.state();
    AtomicReference<@Nullable Activity> seen = new AtomicReference<>(B);
    Thread thread = new Thread(() -> seen.set(activities.current()));
    activities.threadStarting(thread);
    assertThat(kernel.headByte(1, Layout.TraceHead.INHERIT)).isZero();
    thread.start();
    thread.join();
    assertThat(seen.get()).isNull();
  }

  @Test
  void accountOfAPlatformThread() {
    activities.connect(kernel);
    ThreadState state = activities.state();
    long last = System.nanoTime();
    kernel.account(state.slot(), Layout.KIND_LOCK, last, 1, 2, 3, 4);
    long[] into = new long[12];
    long now = activities.read(state, into);
    assertThat(now).isBetween(last, System.nanoTime());
    assertThat(into).startsWith(1, 2, 3, 4 + now - last, 0);
  }

  /** The thread stands for a virtual one: only its id counts for mounting. */
  @Test
  void headFollowsAMount() throws Exception {
    activities.connect(kernel);
    assertThat(activities.state().slot()).isEqualTo(1);
    Thread carried = new Thread(() -> {});
    Activities.Scope scope = activities.attach(A);
    activities.virtualThreadStarting(carried);
    activities.detach(scope);

    activities.mount(carried);
    assertThat(kernel.head(1)).isEqualTo(HEAD_A);
    activities.unmount(carried);
    assertThat(kernel.head(1)).isEqualTo("none");

    // On another carrier.
    String there =
        on(
            ActivitiesTest::platform,
            () -> {
              activities.mount(carried);
              String mounted = kernel.head(2);
              activities.unmount(carried);
              return mounted + " " + kernel.head(2);
            });
    assertThat(there).isEqualTo(HEAD_A + " none");
  }

  private static Starter virtual(AtomicReference<@Nullable Thread> started) throws Exception {
    Method starter;
    try {
      starter = Thread.class.getMethod("startVirtualThread", Runnable.class);
      starter.invoke(null, (Runnable) () -> {});
    } catch (ReflectiveOperationException e) {
      assumeTrue(false, "no virtual threads in this JDK");
      throw e;
    }
    return body -> started.set((Thread) starter.invoke(null, body));
  }

  @Test
  void aVirtualThreadHasItsOwnActivityAndAccount() throws Exception {
    AtomicReference<@Nullable Thread> started = new AtomicReference<>();
    Starter virtual = virtual(started);
    activities.connect(kernel);
    CompletableFuture<Boolean> first = new CompletableFuture<>();
    CompletableFuture<Boolean> second = new CompletableFuture<>();
    CompletableFuture<ThreadState> attached = new CompletableFuture<>();
    CompletableFuture<long[]> account = new CompletableFuture<>();
    virtual.start(
        () -> {
          first.join();
          Activities.Scope scope = activities.attach(B);
          attached.complete(activities.state());
          second.join();
          long[] into = new long[12];
          activities.read(activities.state(), into);
          activities.detach(scope);
          account.complete(into);
        });
    Thread thread = requireNonNull(started.get());
    assertThat(activities.state().slot()).isEqualTo(1); // we play the carrier
    Activities.Scope scope = activities.attach(A);
    activities.virtualThreadStarting(thread);
    activities.detach(scope);

    kernel.account(1, Layout.KIND_OTHER, FAR, 1000, 50);
    activities.mount(thread);
    assertThat(kernel.head(1)).isEqualTo(HEAD_A);
    first.complete(true);
    ThreadState state = attached.get(30, TimeUnit.SECONDS);
    assertThat(state.isVirtual()).isTrue();
    assertThat(state.slot()).as("the carrier's").isEqualTo(1);
    assertThat(kernel.enrolments()).isEqualTo(1);
    assertThat(kernel.head(1)).isEqualTo(HEAD_B);

    kernel.account(1, Layout.KIND_OTHER, FAR, 1100, 55);
    activities.unmount(thread);
    assertThat(kernel.head(1)).isEqualTo("none");
    kernel.account(1, Layout.KIND_OTHER, FAR, 7000, 70); // somebody else's time
    activities.mount(thread);
    assertThat(kernel.head(1)).isEqualTo(HEAD_B);
    kernel.account(1, Layout.KIND_OTHER, FAR, 7010, 70);
    second.complete(true);
    assertThat(account.get(30, TimeUnit.SECONDS)).startsWith(110, 5, 0);
    assertThat(kernel.head(1)).as("detached to what it inherited").isEqualTo(HEAD_A);
    assertThat(activities.current()).isNull();
  }

  @Test
  void aVirtualThreadSeenOnlyWhileItRuns() throws Exception {
    AtomicReference<@Nullable Thread> started = new AtomicReference<>();
    Starter virtual = virtual(started);
    activities.connect(kernel);
    // The carrier carried another one before.
    Thread earlier = new Thread(() -> {});
    Activities.Scope scope = activities.attach(A);
    activities.virtualThreadStarting(earlier);
    activities.detach(scope);
    kernel.account(1, Layout.KIND_OTHER, FAR, 1000);
    activities.mount(earlier);
    activities.unmount(earlier);
    kernel.account(1, Layout.KIND_OTHER, FAR, 5000);

    CompletableFuture<long[]> first = new CompletableFuture<>();
    CompletableFuture<Boolean> again = new CompletableFuture<>();
    CompletableFuture<long[]> second = new CompletableFuture<>();
    virtual.start(
        () -> {
          ThreadState state = activities.state();
          state.slot = 0; // its carrier's, as the real kernel side gives it
          long[] into = new long[12];
          activities.read(state, into);
          first.complete(into);
          again.join();
          long[] later = new long[12];
          activities.read(state, later);
          second.complete(later);
        });
    long begin = first.get(30, TimeUnit.SECONDS)[0];
    Thread thread = requireNonNull(started.get());
    kernel.account(1, Layout.KIND_OTHER, FAR, 5100); // its own time
    activities.unmount(thread);
    kernel.account(1, Layout.KIND_OTHER, FAR, 9000); // somebody else's
    activities.mount(thread);
    kernel.account(1, Layout.KIND_OTHER, FAR, 9020); // its own
    again.complete(true);
    assertThat(second.get(30, TimeUnit.SECONDS)[0] - begin).isEqualTo(120);
  }
}
