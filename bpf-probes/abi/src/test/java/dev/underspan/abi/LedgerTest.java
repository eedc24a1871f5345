package dev.underspan.abi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** Offsets are written out here, as the headers have them, and not taken from Layout. */
class LedgerTest {
  private static final int SLOT_BYTES = 512;
  private static final int ACCOUNT = 64;
  private static final int REQUEST = 320;
  private static final VarHandle INT =
      MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.nativeOrder());

  private final ByteBuffer memory =
      ByteBuffer.allocateDirect(4097 * SLOT_BYTES).order(ByteOrder.nativeOrder());
  private final Ledger ledger = new Ledger(memory);

  private byte[] bytes(int at, int length) {
    byte[] bytes = new byte[length];
    memory.get(at, bytes);
    return bytes;
  }

  @Test
  void headIsInTheOrderOfTheWire() {
    ledger.setHead(3, 0x4bf92f3577b34da6L, 0xa3ce929d0e0e4736L, 0x00f067aa0ba902b7L, (byte) 1);
    int at = 3 * SLOT_BYTES;
    assertThat(bytes(at, 16))
        .isEqualTo(HexFormat.of().parseHex("4bf92f3577b34da6a3ce929d0e0e4736"));
    assertThat(bytes(at + 16, 8)).isEqualTo(HexFormat.of().parseHex("00f067aa0ba902b7"));
    assertThat(memory.get(at + 24)).as("valid").isEqualTo((byte) 1);
    assertThat(memory.get(at + 25)).as("flags").isEqualTo((byte) 1);
    assertThat(memory.getShort(at + 26)).as("attributes_size").isZero();
    assertThat(memory.get(at + 28)).as("wait_hint").isZero();
    assertThat(memory.get(at + 29)).as("inherit").isZero();
  }

  @Test
  void headTouchesNothingElse() {
    ledger.setHead(3, -1, -1, -1, (byte) 0xff);
    ledger.inheritHead(3);
    assertThat(memory.get(3 * SLOT_BYTES + 29)).isEqualTo((byte) 1);
    ledger.clearHead(3);
    assertThat(memory.get(3 * SLOT_BYTES + 24)).isZero();
    for (int at = 0; at < memory.capacity(); at++) {
      if (at < 3 * SLOT_BYTES || at >= 3 * SLOT_BYTES + 32) {
        assertThat(memory.get(at)).isZero();
      }
    }
  }

  @Test
  void accountWithAnOpenInterval() {
    int at = 5 * SLOT_BYTES + ACCOUNT;
    memory.putInt(at, 8).putInt(at + 4, Layout.KIND_DISK).putLong(at + 8, 1000);
    memory.putLong(at + 24, 42);
    for (int kind = 0; kind < 12; kind++) {
      memory.putLong(at + 32 + 8 * kind, 100 + kind);
    }
    memory.putInt(5 * SLOT_BYTES + 36, 9);
    long[] into = new long[12];
    ledger.read(5, into, 1030);
    assertThat(into).containsExactly(100, 101, 102, 103, 104, 105, 106, 137, 108, 109, 110, 111);
    assertThat(ledger.switches(5)).isEqualTo(42);
    assertThat(ledger.generation(5)).isEqualTo(9);

    // The kernel was later than our clock's reading: nothing is taken back.
    ledger.read(5, into, 990);
    assertThat(into[Layout.KIND_DISK]).isEqualTo(107);

    // A kind that we do not know is not written beside the array.
    memory.putInt(at + 4, 12);
    ledger.read(5, into, 1030);
    assertThat(Arrays.stream(into).sum()).isEqualTo(12 * 100 + 66);
  }

  @Test
  void aVirtualThreadsAccountIsTheCarriersWithAnOffset() {
    int at = 2 * SLOT_BYTES;
    memory.putInt(at + 36, 4); // generation
    memory.putLong(at + ACCOUNT + 8, 1000).putLong(at + ACCOUNT + 32, 500); // cpu until 1000
    long platform = ledger.thread(2);
    assertThat(platform).isEqualTo(0x8000_0004_0000_0002L);
    long[] offset = new long[12];
    offset[Layout.KIND_CPU] = -450;
    offset[Layout.KIND_CARRIER] = 70;
    ledger.setIdentity(2, 31, offset);
    assertThat(ledger.thread(2)).isEqualTo(31);
    long[] into = new long[12];
    ledger.read(2, into, 1010);
    assertThat(into[Layout.KIND_CPU]).isEqualTo(60);
    assertThat(into[Layout.KIND_CARRIER]).isEqualTo(70);
    long now = ledger.readCarrier(2, into);
    assertThat(into[Layout.KIND_CPU]).isEqualTo(500 + now - 1000);
    assertThat(into[Layout.KIND_CARRIER]).isZero();
    ledger.clearIdentity(2);
    assertThat(ledger.thread(2)).isEqualTo(platform);
    ledger.read(2, into, 1010);
    assertThat(into[Layout.KIND_CPU]).isEqualTo(510);
  }

  @Test
  void stopsOfTheJvmAreTakenFromWaitsThatTheyProlong() {
    int at = SLOT_BYTES + ACCOUNT;
    memory.put(at + 4, (byte) Layout.KIND_LOCK).putLong(at + 8, 1000);
    memory.putLong(at + 16, 40); // stopped for 40 ns before
    memory.putLong(24, 40); // no stop since
    long[] into = new long[12];
    memory.put(at + 5, (byte) 1);
    ledger.read(1, into, 1100);
    assertThat(into[Layout.KIND_LOCK]).isEqualTo(100);
    memory.putLong(24, (1L << 63) | (1070 - 40)); // one since 1070
    ledger.read(1, into, 1100);
    assertThat(into[Layout.KIND_LOCK]).isEqualTo(70);
    assertThat(into[Layout.KIND_SAFEPOINT]).isEqualTo(30);
    memory.putLong(24, 40 + 15); // it took 15
    ledger.read(1, into, 1100);
    assertThat(into[Layout.KIND_LOCK]).isEqualTo(85);
    assertThat(into[Layout.KIND_SAFEPOINT]).isEqualTo(15);
    memory.put(at + 5, (byte) 0);
    ledger.read(1, into, 1100);
    assertThat(into[Layout.KIND_LOCK]).isEqualTo(100);
  }

  @Test
  void readingWaitsForTheKernelToFinish() throws Exception {
    int at = 7 * SLOT_BYTES + ACCOUNT;
    memory.putInt(at, 3).putLong(at + 32, 5).putLong(at + 8, 10);
    CompletableFuture<long[]> reading =
        CompletableFuture.supplyAsync(
            () -> {
              long[] into = new long[12];
              ledger.read(7, into, 10);
              return into;
            });
    assertThatThrownBy(() -> reading.get(100, TimeUnit.MILLISECONDS))
        .isInstanceOf(TimeoutException.class);
    memory.putLong(at + 32, 6);
    INT.setVolatile(memory, at, 4);
    assertThat(reading.get(20, TimeUnit.SECONDS)[0]).isEqualTo(6);
  }

  @Test
  void readingGivesUpOnAWriterThatNeverFinishes() throws Exception {
    int at = 7 * SLOT_BYTES + ACCOUNT;
    memory.putInt(at, 3).putLong(at + 32, 5).putLong(at + 8, 10);
    CompletableFuture<Void> reading =
        CompletableFuture.runAsync(
            () -> {
              ledger.read(7, new long[12], 10);
              ledger.readNow(7, new long[12]);
            });
    assertThat(reading.get(20, TimeUnit.SECONDS)).isNull();
  }

  @Test
  void readingBesideAWriterIsConsistent() throws Exception {
    int at = 11 * SLOT_BYTES + ACCOUNT;
    AtomicBoolean stop = new AtomicBoolean();
    AtomicLong written = new AtomicLong();
    Thread kernel =
        new Thread(
            () -> {
              // As maps.h: what is in ns always adds up to last_ns (from 0 on).
              int seq = 0;
              for (long i = 1; !stop.get(); i++) {
                INT.setVolatile(memory, at, ++seq);
                VarHandle.fullFence();
                int state = memory.getInt(at + 4);
                long last = memory.getLong(at + 8);
                int place = at + 32 + 8 * state;
                memory.putLong(place, memory.getLong(place) + 1000);
                spin(20);
                memory.putInt(at + 4, (int) (i % 10));
                memory.putLong(at + 8, last + 1000);
                VarHandle.fullFence();
                INT.setVolatile(memory, at, ++seq);
                written.set(i);
                spin(40);
              }
            });
    kernel.start();
    long now = Long.MAX_VALUE / 2;
    long[] into = new long[12];
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    try {
      for (int i = 0;
          (i < 200_000 || written.get() < 10_000) && System.nanoTime() < deadline;
          i++) {
        ledger.read(11, into, now);
        assertThat(Arrays.stream(into).sum()).isEqualTo(now);
      }
    } finally {
      stop.set(true);
      kernel.join();
    }
    assertThat(written.get()).as("the writer ran beside the reader").isGreaterThan(1000);
  }

  private static void spin(int times) {
    for (int i = 0; i < times; i++) {
      Thread.onSpinWait();
    }
  }

  @Test
  void noRequestReadYet() {
    assertThat(ledger.readRequest(0, new ServerRequest())).isFalse();
  }

  @Test
  void latestRequest() {
    int at = 4095 * SLOT_BYTES + REQUEST;
    for (int i = 0; i < 7; i++) {
      memory.putLong(at + 8 * i, 1000 + i);
    }
    memory.putInt(at + 56, 250).putInt(at + 60, 3);
    memory.putShort(at + 64, (short) 8080).putShort(at + 66, (short) 54321);
    for (int kind = 0; kind < 12; kind++) {
      memory.putLong(at + 72 + 8 * kind, 7L * kind);
    }
    ServerRequest request = new ServerRequest();
    assertThat(ledger.readRequest(4095, request)).isTrue();
    assertThat(request.thread).isEqualTo(1000);
    assertThat(request.cookie).isEqualTo(1001);
    assertThat(request.number).isEqualTo(1002);
    assertThat(request.establishedNs).isEqualTo(1003);
    assertThat(request.arrivalNs).isEqualTo(1004);
    assertThat(request.readNs).isEqualTo(1005);
    assertThat(request.bytesIn).isEqualTo(1006);
    assertThat(request.rttMicros).isEqualTo(250);
    assertThat(request.retransmits).isEqualTo(3);
    assertThat(request.localPort).isEqualTo(8080);
    assertThat(request.remotePort).isEqualTo(54321);
    assertThat(request.account).containsExactly(0, 7, 14, 21, 28, 35, 42, 49, 56, 63, 70, 77);
  }

  @Test
  void refusesABufferTooSmall() {
    ByteBuffer small = ByteBuffer.allocateDirect(2 * SLOT_BYTES - 1);
    assertThatThrownBy(() -> new Ledger(small)).isInstanceOf(IllegalArgumentException.class);
    assertThat(ledger.slots()).isEqualTo(4096);
  }

  @Test
  void findsTheLatestSlotOfAThread() {
    assertThat(ledger.find(77)).isEqualTo(-1);
    for (int slot : new int[] {2, 5, 9}) {
      memory.putInt(slot * SLOT_BYTES + 32, 77);
      memory.putLong(slot * SLOT_BYTES + 40, slot == 5 ? 1000 : 500);
    }
    memory.putInt(0, 4); // the process's: slots used so far
    assertThat(ledger.find(77)).isEqualTo(2);
    memory.putInt(0, 9);
    assertThat(ledger.find(77)).isEqualTo(5);
    assertThat(ledger.find(78)).isEqualTo(-1);
    memory.putInt(0, Integer.MAX_VALUE);
    assertThat(ledger.find(78)).isEqualTo(-1);
  }

  @Test
  void keepsWhatIsTheProcesssInItsFirstPlace() {
    ledger.setMonitors(632, 616);
    assertThat(memory.getInt(12)).isEqualTo(632);
    assertThat(memory.getInt(16)).isEqualTo(616);
    memory.putLong(32, 3);
    assertThat(ledger.libraries()).isEqualTo(3);
    ledger.setAgent(2);
    assertThat(memory.getInt(2 * SLOT_BYTES + 48)).isEqualTo(1);
    memory.putLong(40 + Layout.LossCounters.EVENTS_SEEN, 12);
    assertThat(ledger.counter(Layout.LossCounters.EVENTS_SEEN)).isEqualTo(12);
  }
}
