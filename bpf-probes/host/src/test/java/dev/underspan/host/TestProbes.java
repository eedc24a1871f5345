package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.underspan.abi.Layout;
import dev.underspan.abi.Ledger;
import dev.underspan.abi.SocketEvent;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.jspecify.annotations.NullUnmarked;

/** The programs on the running kernel, and what they say of a piece of work. */
@NullUnmarked
final class TestProbes {
  static final long MS = 1_000_000;

  /** False is only what whoever runs the tests says, who knows the kernel by other means. */
  static final boolean SOCKETS = !"none".equals(System.getProperty("underspan.sockets"));

  private TestProbes() {}

  static KernelProbes open() throws Exception {
    return open(KernelProbes.DEFAULT_SLOTS);
  }

  static KernelProbes open(int slots) throws Exception {
    KernelProbes opened = asAgent(() -> KernelProbes.open(1 << 20, slots));
    assertThat(opened.socketsMissing() == null).as("sees sockets").isEqualTo(SOCKETS);
    assertThat(opened.safepointsMissing()).isNull();
    return opened;
  }

  /** A way to be served. */
  interface Opening {
    KernelProbes open() throws ProbeException;
  }

  /** On a thread of its own: who opens becomes the agent's, and the test's own must not. */
  static KernelProbes asAgent(Opening opening) throws Exception {
    FutureTask<KernelProbes> opened = new FutureTask<>(opening::open);
    new Thread(opened).start();
    try {
      return opened.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof ProbeException problem) {
        throw problem;
      }
      throw e;
    }
  }

  /** What an event carries. */
  static String text(SocketEvent event) {
    byte[] bytes = new byte[event.captured()];
    event.payload(bytes);
    return new String(bytes, StandardCharsets.US_ASCII);
  }

  /**
   * Each record of bytes must begin where the one before of its type ended.
   *
   * @param ends by type, of one connection's records so far
   */
  static void assertFollows(Map<Integer, Long> ends, SocketEvent event) {
    if (event.total() > 0 && event.type() != Layout.EVENT_TLS_FAILED) {
      Long before = ends.put(event.type(), event.end());
      assertThat(event.end() - event.total()).isEqualTo(before == null ? 0 : before);
    }
  }

  /** For a test that is about sockets: not on a kernel that has no way to see them. */
  static void needSockets() {
    assumeThat(SOCKETS).as("this kernel shows no sockets").isTrue();
  }

  /**
   * Detaches a program, and those that would tell in its place.
   *
   * @return all of them, to be given back
   */
  static List<String> takeAway(KernelProbes probes, String program) {
    LightSkeleton skeleton = probes.programs().skeleton();
    List<String> taken =
        Stream.of(program, program + "_v6", program + "_again").filter(skeleton::has).toList();
    taken.forEach(skeleton::detach);
    return taken;
  }

  static void giveBack(KernelProbes probes, List<String> taken) throws ProbeException {
    for (String program : taken) {
      probes.programs().skeleton().attach(program);
    }
  }

  interface Work {
    void run() throws Exception;
  }

  /**
   * What the ledger says of a piece of work on the calling thread; wall time at index KINDS, its
   * begin behind.
   */
  static long[] measure(KernelProbes probes, Work work) throws Exception {
    int slot = probes.enrol(false);
    assertThat(slot).isNotNegative();
    Ledger ledger = probes.ledger();
    long[] before = new long[Ledger.KINDS];
    long[] after = new long[Ledger.KINDS + 2];
    long start = ledger.readNow(slot, before);
    work.run();
    long end = ledger.readNow(slot, after);
    for (int kind = 0; kind < Ledger.KINDS; kind++) {
      after[kind] -= before[kind];
    }
    rebook(after);
    after[Ledger.KINDS] = end - start;
    after[Ledger.KINDS + 1] = start;
    return after;
  }

  /** What the first reading booked otherwise than the kernel did in the end. */
  private static void rebook(long[] account) {
    for (int kind = 0; kind < Ledger.KINDS; kind++) {
      if (account[kind] < 0) {
        // Only a thread that was not seen to run, or to wake, was read so.
        account[Layout.KIND_CPU] += account[kind];
        account[kind] = 0;
      }
    }
  }

  static void awaitParked(Thread thread) throws InterruptedException {
    do {
      Thread.sleep(2); // off the processor, too
    } while (thread.getState() != Thread.State.WAITING);
  }

  /** How long {@link #sleepUntilEvent} sleeps if nothing wakes it. */
  static final long SLEEP_MS = 120_000;

  /** A thread that sleeps by now, until there is an event. */
  static Thread sleepUntilEvent(KernelProbes probes) throws Exception {
    CompletableFuture<Integer> tid = new CompletableFuture<>();
    Thread sleeper =
        new Thread(
            () -> {
              tid.complete(Native.threadId());
              probes.awaitEvents(SLEEP_MS);
            });
    sleeper.setDaemon(true);
    sleeper.start();
    Path call = Path.of("/proc/self/task/" + tid.get() + "/syscall");
    String ppoll = "aarch64".equals(System.getProperty("os.arch")) ? "73 " : "271 ";
    while (!Files.readString(call).startsWith(ppoll)) {
      Thread.sleep(1);
    }
    return sleeper;
  }

  /** A parked thread's account by the ledger, and by the kernel's schedstat at the same places. */
  static long[][] outside(KernelProbes probes, int slot, Path schedstat) throws Exception {
    long[] ledger = new long[Ledger.KINDS];
    probes.ledger().read(slot, ledger, System.nanoTime());
    String[] text = Files.readString(schedstat).trim().split(" ");
    long[] kernel = new long[Ledger.KINDS];
    kernel[Layout.KIND_CPU] = Long.parseLong(text[0]);
    kernel[Layout.KIND_RUN_QUEUE] = Long.parseLong(text[1]);
    return new long[][] {ledger, kernel};
  }

  /**
   * What interrupts and a hypervisor have taken from all processors, in ticks of 10 ms. While they
   * did, the thread was on its processor for us, but not for its own clock
   * (CONFIG_IRQ_TIME_ACCOUNTING, CONFIG_PARAVIRT_TIME_ACCOUNTING).
   */
  static long takenNanos() throws IOException {
    try (Stream<String> lines = Files.lines(Path.of("/proc/stat"))) {
      // cpu, user, nice, system, idle, iowait, irq, softirq, steal
      String[] all = lines.findFirst().orElseThrow().split(" +");
      return (Long.parseLong(all[6]) + Long.parseLong(all[7]) + Long.parseLong(all[8])) * 10 * MS;
    }
  }

  /** By how much the ledger says more than the kernel's own account, nanoseconds. */
  interface Comparison {
    long run() throws Exception;
  }

  /**
   * Time by the ledger and by the kernel is the same once in some tries. The kernel leaves out of a
   * thread's time what is {@link #takenNanos taken} from its processor, which is told in ticks
   * only; and of a wait each counts from or to another moment. So on a busy machine they may
   * differ, but to the side that is explained only, which the comparison asserts.
   */
  static void assertAgrees(long tolerance, Comparison comparison) throws Exception {
    List<Long> surplus = new ArrayList<>();
    do {
      surplus.add(comparison.run());
    } while (surplus.get(surplus.size() - 1) > tolerance && surplus.size() < 8);
    assertThat(surplus)
        .as("more by")
        .anySatisfy(more -> assertThat(more).isLessThanOrEqualTo(tolerance));
  }

  static void assertAddsUp(long[] account) {
    long sum = 0;
    for (int kind = 0; kind < Ledger.KINDS; kind++) {
      assertThat(account[kind]).isNotNegative();
      sum += account[kind];
    }
    assertThat(Math.abs(sum - account[Ledger.KINDS])).isLessThan(MS);
  }
}
