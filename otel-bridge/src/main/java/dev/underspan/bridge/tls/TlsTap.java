package dev.underspan.bridge.tls;

import dev.underspan.abi.Layout;
import dev.underspan.bridge.weak.WeakIdentityMap;
import dev.underspan.bridge.wire.ClientCertificate;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.TlsFacts;
import dev.underspan.bridge.wire.TraceHead;
import dev.underspan.bridge.wire.WireCounters;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SNIServerName;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/**
 * Where TLS engines and sockets of the application tell what passes through them. Runs on the
 * application's threads and under its locks: it takes none of its own, never waits, and neither
 * moves a buffer's position nor keeps the buffer. Memory is bounded; what does not fit is counted.
 */
public final class TlsTap {
  /** Bytes of plaintext kept of an operation, as the kernel's programs keep of a plain one. */
  static final int PREFIX = Layout.PAYLOAD_LARGE;

  static final int TAIL = Layout.TAIL_BYTES;

  /** What a stream makes a record of, unless it was told to make them smaller. */
  private static final int FRAGMENT = 16_384;

  private static final int MAX_BUFFERS = 256;
  private static final int MAX_KEYS = 64;
  private static final long MAX_QUEUED = 8 << 20;
  private static final long OVERHEAD = 160;
  private static final int EXACT = 1024;
  private static final int POOLED = 64;

  private final WireCounters counters;
  private final ClientCertificates certificates;
  private final WeakIdentityMap<TlsEngine> engines = new WeakIdentityMap<>();
  private final ConcurrentLinkedQueue<TlsMessage> queue = new ConcurrentLinkedQueue<>();
  private final AtomicLong queued = new AtomicLong();
  private final AtomicReferenceArray<byte @Nullable []> pool = new AtomicReferenceArray<>(POOLED);

  /** The streams' flows that the calling thread used last. */
  @SuppressWarnings("ThreadLocalUsage") // one instance in the agent, some in its tests
  private final ThreadLocal<LastUsed> lastUsed = ThreadLocal.withInitial(LastUsed::new);

  private volatile boolean used;

  private static final class LastUsed {
    @Nullable TlsFlow in;
    @Nullable TlsFlow out;
  }

  /** Nothing is known yet. */
  public TlsTap(WireCounters counters, ClientCertificates certificates) {
    this.counters = counters;
    this.certificates = certificates;
  }

  /** Those that servers of this process have seen. */
  public ClientCertificates certificates() {
    return certificates;
  }

  /** Whether there has been any TLS at all. */
  boolean isUsed() {
    return used;
  }

  // ---- engines

  /** What is kept with an engine; null if it is not observed. */
  public @Nullable TlsEngine known(SSLEngine engine) {
    return engines.get(engine);
  }

  /**
   * Begins to observe an engine, or not if it is not wanted, or a server's that does not ask for
   * certificates.
   */
  public TlsEngine begin(SSLEngine engine, boolean wanted) {
    boolean client = engine.getUseClientMode();
    boolean observed =
        wanted && (client || engine.getNeedClientAuth() || engine.getWantClientAuth());
    used |= observed && client;
    return engines.putIfAbsent(engine, observed ? new TlsEngine(!client) : TlsEngine.NONE);
  }

  /** An engine is about to wrap what is in the buffers; false if it need not be told more. */
  public boolean wrapping(TlsEngine engine, ByteBuffer[] sources, int offset, int length) {
    if (engine == TlsEngine.NONE || engine.out.dead) {
      return false;
    }
    if (!engine.server) {
      engine.outStarts = starts(engine.outStarts, sources, offset, length);
    }
    return true;
  }

  /** An engine has wrapped. */
  public void wrapped(
      TlsEngine of,
      SSLEngine engine,
      ByteBuffer[] sources,
      int offset,
      int length,
      ByteBuffer target,
      SSLEngineResult result) {
    wrote(of, sources, offset, length, target, result);
    if (of.server) {
      served(of, engine, result);
    } else {
      finished(of, engine, result);
    }
  }

  private void wrote(
      TlsEngine of,
      ByteBuffer[] sources,
      int offset,
      int length,
      ByteBuffer target,
      SSLEngineResult result) {
    TlsFlow flow = of.out;
    int produced = result.bytesProduced();
    if (produced > 0) {
      long start = flow.position;
      flow.position = start + produced;
      int size = Math.min(produced, TlsKey.BYTES);
      target.get(target.position() - produced, flow.head, 0, size);
      TlsKey key = TlsKey.of(flow.head, 0, size);
      if (of.server) {
        noteHello(flow, key, flow.head, 0, size);
        return;
      }
      if (start == 0 && TlsKey.hello(flow.head, 0, size) == TlsKey.CLIENT_HELLO) {
        flow.fresh = true;
        flow.facts.helloNs = System.nanoTime();
      }
      if (result.bytesConsumed() > 0) {
        TlsMessage message = new TlsMessage(flow, start, flow.position, key);
        copy(message, sources, offset, length, of.outStarts, result.bytesConsumed());
        send(message);
      } else {
        tell(flow, start, key);
      }
    }
  }

  /** An engine is about to unwrap what is in the source; false if it need not be told more. */
  public boolean unwrapping(
      TlsEngine engine, @Nullable ByteBuffer source, ByteBuffer[] targets, int offset, int length) {
    if (engine == TlsEngine.NONE || engine.in.dead) {
      return false;
    }
    if (engine.server) {
      return true;
    }
    engine.inStarts = starts(engine.inStarts, targets, offset, length);
    engine.inKey = null;
    TlsFlow flow = engine.in;
    if (!flow.bound && source != null) {
      int size = Math.min(source.remaining(), TlsKey.BYTES);
      source.get(source.position(), flow.head, 0, size);
      engine.inKey = TlsKey.of(flow.head, 0, size);
    }
    return true;
  }

  /** An engine has unwrapped. */
  public void unwrapped(
      TlsEngine of,
      SSLEngine engine,
      ByteBuffer[] targets,
      int offset,
      int length,
      SSLEngineResult result) {
    if (of.server) {
      served(of, engine, result);
      return;
    }
    TlsFlow flow = of.in;
    long start = flow.position;
    flow.position = start + result.bytesConsumed();
    if (result.bytesProduced() > 0) {
      TlsMessage message = new TlsMessage(flow, start, flow.position, of.inKey);
      copy(message, targets, offset, length, of.inStarts, result.bytesProduced());
      send(message);
    } else if (result.bytesConsumed() > 0) {
      tell(flow, start, of.inKey);
    }
    finished(of, engine, result);
  }

  /** A server's handshake is done when it says so, or has plaintext. */
  private void served(TlsEngine of, SSLEngine engine, SSLEngineResult result) {
    if (result.getHandshakeStatus() == SSLEngineResult.HandshakeStatus.FINISHED
        || (result.getHandshakeStatus() == SSLEngineResult.HandshakeStatus.NOT_HANDSHAKING
            && result.bytesConsumed() > 0
            && result.bytesProduced() > 0)) {
      of.out.dead = true;
      of.in.dead = true;
      keepCertificate(of.out, engine.getSession());
    }
  }

  /** Of what a server sends, the first that tells it apart from any other is to be its hello. */
  private static void noteHello(
      TlsFlow flow, @Nullable TlsKey key, byte[] record, int offset, int length) {
    if (flow.hello == null
        && key != null
        && TlsKey.hello(record, offset, length) == TlsKey.SERVER_HELLO) {
      flow.hello = key;
    }
  }

  private void keepCertificate(TlsFlow flow, SSLSession session) {
    TlsKey hello = flow.hello;
    flow.hello = null;
    if (hello == null) {
      return;
    }
    try {
      ClientCertificate certificate = certificates.describe(session.getPeerCertificates());
      if (certificate != null) {
        certificates.put(hello, certificate);
      }
    } catch (SSLPeerUnverifiedException e) {
      // The client need not have shown one.
    }
  }

  private void finished(TlsEngine of, SSLEngine engine, SSLEngineResult result) {
    if (result.getHandshakeStatus() == SSLEngineResult.HandshakeStatus.FINISHED
        && of.facts.protocol == null) {
      describe(
          of.facts,
          engine.getSession(),
          engine.getSSLParameters(),
          engine.getApplicationProtocol());
    }
  }

  private void describe(
      TlsFacts facts,
      SSLSession session,
      @Nullable SSLParameters parameters,
      @Nullable String nextProtocol) {
    long hello = facts.helloNs;
    facts.handshakeNs = hello == 0 ? 0 : System.nanoTime() - hello;
    facts.cipher = session.getCipherSuite();
    facts.nextProtocol = nextProtocol;
    facts.serverName = serverName(parameters);
    facts.clientCertificate = certificates.describe(session.getLocalCertificates());
    facts.protocol = session.getProtocol();
  }

  private static @Nullable String serverName(@Nullable SSLParameters parameters) {
    List<SNIServerName> names = parameters == null ? null : parameters.getServerNames();
    if (names != null) {
      for (SNIServerName name : names) {
        if (name instanceof SNIHostName host) {
          return host.getAsciiName();
        }
      }
    }
    return null;
  }

  /** An engine has thrown; of interest once, while it is not through with its handshake. */
  public void failed(TlsEngine of, SSLEngine engine, Throwable error, @Nullable TraceHead head) {
    if (of.out.isHandshaking()) {
      failed(of.out, engine.getSSLParameters(), error, head);
    }
  }

  private void failed(
      TlsFlow flow, @Nullable SSLParameters parameters, Throwable error, @Nullable TraceHead head) {
    flow.facts.failed = true;
    flow.facts.serverName = serverName(parameters);
    TlsMessage message = new TlsMessage(flow, flow.position, flow.position, null);
    message.failure = new TlsFailure(System.nanoTime(), error.getClass().getName(), head);
    send(message);
  }

  // ---- sockets, by their streams

  /** What is to be kept with a stream to or from the network. */
  public TlsFlow begin(boolean sent) {
    used = true;
    return new TlsFlow(sent ? Direction.SENT : Direction.RECEIVED, new TlsFacts());
  }

  /** The calling thread is about to write plaintext, which will come by as records. */
  public void delivering(TlsFlow flow, byte[] source, int offset, int length) {
    if (flow.dead) {
      return;
    }
    if (!flow.delivery.compareAndSet(
        null, new TlsFlow.Delivery(Thread.currentThread(), source, offset, length))) {
      // Two threads write at once: whose record is whose cannot be told.
      flow.messages++;
      counters.tlsDropped.increment();
    }
  }

  /** It has. */
  public void delivered(TlsFlow flow) {
    TlsFlow.Delivery delivery = flow.delivery.get();
    if (delivery != null && delivery.thread == Thread.currentThread()) {
      flow.delivery.set(null);
    }
  }

  /** A stream is about to write ciphertext, always whole records. */
  public void writing(TlsFlow flow, byte[] data, int offset, int length) {
    if (flow.dead || length <= 0) {
      return;
    }
    lastUsed.get().out = flow;
    long start = flow.position;
    flow.position = start + length;
    TlsKey key = TlsKey.of(data, offset, length);
    int hello = start == 0 ? TlsKey.hello(data, offset, length) : 0;
    if (flow.server || hello == TlsKey.SERVER_HELLO) {
      flow.server = true;
      noteHello(flow, key, data, offset, length);
      flow.dead = key != null; // else it has asked for another hello of the client
      return;
    }
    if (hello == TlsKey.CLIENT_HELLO) {
      flow.fresh = true;
      flow.facts.helloNs = System.nanoTime();
    }
    TlsFlow.Delivery delivery = flow.delivery.get();
    if (delivery != null && delivery.thread == Thread.currentThread() && delivery.rest > 0) {
      int n = Math.min(delivery.rest, FRAGMENT);
      TlsMessage message = new TlsMessage(flow, start, flow.position, key);
      copy(message, delivery.source, delivery.offset, n);
      delivery.offset += n;
      delivery.rest -= n;
      send(message);
    } else {
      tell(flow, start, key);
    }
  }

  /** A stream has read ciphertext. */
  public void read(TlsFlow flow, byte[] data, int offset, int length) {
    if (flow.dead || length <= 0) {
      return;
    }
    lastUsed.get().in = flow;
    long start = flow.position;
    flow.position = start + length;
    boolean opening = start < TlsKey.BYTES;
    flow.records.feed(
        start,
        data,
        offset,
        length,
        length,
        flow.bound ? null : (key, position) -> tell(flow, position, key));
    if (opening && flow.records.hello() == TlsKey.CLIENT_HELLO) {
      flow.dead = true;
    }
  }

  /** A stream has passed over ciphertext. */
  public void skipped(TlsFlow flow, long length) {
    flow.position += Math.max(0, length);
  }

  /** The calling thread has made plaintext, up to the buffer's position, of what it read last. */
  public void opened(ByteBuffer plaintext) {
    LastUsed last = lastUsed.get();
    TlsFlow flow = last.in;
    if (flow == null || flow.dead) {
      return;
    }
    TlsMessage message = new TlsMessage(flow, flow.records.begin(), flow.position, null);
    int[] starts = {0};
    copy(message, new ByteBuffer[] {plaintext}, 0, 1, starts, plaintext.position());
    send(message);
  }

  /** The calling thread begins a handshake, or finds that it is done. */
  public void handshaking() {
    lastUsed.get().out = null;
  }

  /** It is done with it; what it wrote meanwhile tells whose it was. */
  public void handshaken(SSLSocket socket, @Nullable Throwable error, @Nullable TraceHead head) {
    TlsFlow out = lastUsed.get().out;
    if (out != null && error != null) {
      if (out.isHandshaking()) {
        failed(out, socket.getSSLParameters(), error, head);
      }
    } else if (out != null && out.facts.protocol == null && socket.getUseClientMode()) {
      describe(
          out.facts,
          socket.getSession(),
          socket.getSSLParameters(),
          socket.getApplicationProtocol());
    } else if (out != null
        && out.hello != null
        && (socket.getNeedClientAuth() || socket.getWantClientAuth())) {
      keepCertificate(out, socket.getSession());
    }
  }

  // ---- the queue

  /** The next message; null if there is none. */
  @Nullable TlsMessage poll() {
    TlsMessage message = queue.poll();
    if (message != null) {
      queued.addAndGet(-size(message));
    }
    return message;
  }

  /** A message's bytes are no longer needed. */
  void done(TlsMessage message) {
    byte[] data = message.data;
    message.data = TlsMessage.NONE;
    if (data.length == PREFIX) {
      int at = (int) (message.end & (POOLED - 1));
      pool.compareAndSet(at, null, data);
    }
  }

  private static long size(TlsMessage message) {
    return OVERHEAD + message.data.length;
  }

  private void tell(TlsFlow flow, long start, @Nullable TlsKey key) {
    if (flow.bound || key == null) {
      return;
    }
    if (++flow.keysTold > MAX_KEYS) {
      flow.dead = true;
      counters.tlsUnmatched.increment();
    }
    send(new TlsMessage(flow, start, flow.position, key));
  }

  private void send(TlsMessage message) {
    if (message.total > 0) {
      message.index = message.flow.messages++;
      message.timeNs = System.nanoTime();
    }
    long size = size(message);
    if (queued.addAndGet(size) > MAX_QUEUED) {
      queued.addAndGet(-size);
      counters.tlsDropped.increment();
      done(message);
    } else {
      queue.add(message);
    }
  }

  // ---- copying

  private static int[] starts(int[] into, ByteBuffer @Nullable [] buffers, int offset, int length) {
    int[] starts = into;
    if (buffers == null || length < 0 || length > MAX_BUFFERS) {
      return starts;
    }
    if (starts.length < length) {
      starts = new int[Math.max(length, 2 * starts.length)];
    }
    for (int i = 0; i < length && offset + i < buffers.length; i++) {
      ByteBuffer buffer = buffers[offset + i];
      starts[i] = buffer == null ? 0 : buffer.position();
    }
    return starts;
  }

  private byte[] room(long total) {
    if (total <= EXACT) {
      return new byte[(int) total];
    }
    int at = Thread.currentThread().hashCode() & (POOLED - 1);
    for (int i = 0; i < 4; i++) {
      byte[] free = pool.getAndSet((at + i) & (POOLED - 1), null);
      if (free != null) {
        return free;
      }
    }
    return new byte[PREFIX];
  }

  private void copy(TlsMessage message, byte[] source, int offset, int total) {
    message.total = total;
    message.data = room(total);
    message.length = Math.min(total, message.data.length);
    System.arraycopy(source, offset, message.data, 0, message.length);
    if (total > message.length) {
      message.tail = Arrays.copyOfRange(source, offset + total - TAIL, offset + total);
    }
  }

  /** What lies between the buffers' starts and positions, if it is so many bytes. */
  private void copy(
      TlsMessage message, ByteBuffer[] buffers, int offset, int length, int[] starts, int total) {
    message.total = total;
    if (length > MAX_BUFFERS || between(buffers, offset, length, starts) != total) {
      return; // known to be there, but not what it is
    }
    message.data = room(total);
    message.length = Math.min(total, message.data.length);
    part(buffers, offset, length, starts, 0, message.data, message.length);
    if (total > message.length) {
      message.tail = new byte[TAIL];
      part(buffers, offset, length, starts, total - TAIL, message.tail, TAIL);
    }
  }

  private static long between(ByteBuffer[] buffers, int offset, int length, int[] starts) {
    long sum = 0;
    for (int i = 0; i < length; i++) {
      int n = buffers[offset + i].position() - starts[i];
      if (n < 0) {
        return -1;
      }
      sum += n;
    }
    return sum;
  }

  private static void part(
      ByteBuffer[] buffers,
      int offset,
      int length,
      int[] starts,
      int from,
      byte[] into,
      int count) {
    int skip = from;
    int done = 0;
    for (int i = 0; i < length && done < count; i++) {
      ByteBuffer buffer = buffers[offset + i];
      int size = buffer.position() - starts[i];
      if (skip >= size) {
        skip -= size;
        continue;
      }
      int n = Math.min(size - skip, count - done);
      buffer.get(starts[i] + skip, into, done, n);
      done += n;
      skip = 0;
    }
  }
}
