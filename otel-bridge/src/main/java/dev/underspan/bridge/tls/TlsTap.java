package dev.underspan.bridge.tls;

import dev.underspan.abi.Layout;
import dev.underspan.bridge.map.WeakIdentityMap;
import dev.underspan.bridge.wire.ClientCertificate;
import dev.underspan.bridge.wire.Direction;
import dev.underspan.bridge.wire.Http2Capture;
import dev.underspan.bridge.wire.Peer;
import dev.underspan.bridge.wire.TlsFacts;
import dev.underspan.bridge.wire.TraceHead;
import dev.underspan.bridge.wire.WireCounters;
import java.net.InetAddress;
import java.nio.ByteBuffer;
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
  private static final int MAX_HELLOS = 4096;
  // For each key, a power of two.
  private static final int HELLO_PLACES = 8;
  private static final int MAX_READ = 16_384;

  private final WireCounters counters;
  private final ClientCertificates certificates;
  private final @Nullable TlsServers servers;

  /** The latest hellos that were read from sockets, each at one of the places of its key. */
  private final AtomicReferenceArray<@Nullable Hello> hellos =
      new AtomicReferenceArray<>(MAX_HELLOS);

  private record Hello(TlsKey key, Peer peer) {}

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
    this(counters, certificates, null);
  }

  /** The same, and these servers are told of what they read and send. */
  public TlsTap(
      WireCounters counters, ClientCertificates certificates, @Nullable TlsServers servers) {
    this.counters = counters;
    this.certificates = certificates;
    this.servers = servers;
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

  /** Begins to observe an engine, or not if it is not wanted. */
  public TlsEngine begin(SSLEngine engine, boolean wanted) {
    boolean client = wanted && engine.getUseClientMode();
    boolean asks = wanted && (engine.getNeedClientAuth() || engine.getWantClientAuth());
    used |= client;
    TlsEngine kept = TlsEngine.NONE;
    if (client) {
      kept = new TlsEngine();
    } else if (wanted && (asks || servers != null)) {
      kept = new TlsEngine(asks, servers == null ? null : new TlsServed());
    }
    return engines.putIfAbsent(engine, kept);
  }

  /** An engine is about to wrap what is in the buffers; false if it need not be told more. */
  public boolean wrapping(TlsEngine engine, ByteBuffer[] sources, int offset, int length) {
    TlsServed served = engine.out.served;
    if (engine == TlsEngine.NONE
        || (!engine.asks && (engine.out.dead || (served != null && served.cookie == 0)))) {
      return false;
    }
    engine.outStarts = starts(engine.outStarts, sources, offset, length);
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
    if (!of.server) {
      wrote(of, sources, offset, length, target, result);
      finished(of, engine, result);
      return;
    }
    TlsFlow flow = of.out;
    TlsServed served = flow.served;
    if (of.asks) {
      int size = Math.min(result.bytesProduced(), TlsKey.BYTES);
      target.get(target.position() - result.bytesProduced(), flow.head, 0, size);
      noteHello(flow, TlsKey.of(flow.head, 0, size), flow.head, 0, size);
      served(of, engine, result);
    }
    if (served != null && served.cookie != 0 && !flow.dead && result.bytesConsumed() > 0) {
      TlsMessage message = answer(flow, served);
      copy(message, sources, offset, length, of.outStarts, result.bytesConsumed());
      send(message);
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
    if (engine == TlsEngine.NONE || (!engine.asks && engine.in.dead)) {
      return false;
    }
    TlsFlow flow = engine.in;
    TlsServed served = flow.served;
    if (engine.server && (served == null || flow.dead || !isKnown(engine, served, source))) {
      return engine.asks;
    }
    engine.inStarts = starts(engine.inStarts, targets, offset, length);
    engine.inKey = null;
    if (!engine.server && !flow.bound && source != null) {
      int size = Math.min(source.remaining(), TlsKey.BYTES);
      source.get(source.position(), flow.head, 0, size);
      engine.inKey = TlsKey.of(flow.head, 0, size);
    }
    return true;
  }

  /** Whose connection a server's engine works on is told by the hello that it reads first. */
  private boolean isKnown(TlsEngine engine, TlsServed served, @Nullable ByteBuffer source) {
    Peer peer = served.peer;
    if (peer == null && source != null && source.remaining() >= TlsKey.BYTES) {
      byte[] record = engine.in.head;
      source.get(source.position(), record, 0, TlsKey.BYTES);
      peer = take(TlsKey.of(record, 0, TlsKey.BYTES));
      served.peer = peer;
      if (peer == null) {
        engine.forget(); // older than the agent, or read in a way that is not seen
      }
    }
    return peer != null;
  }

  private @Nullable Peer take(@Nullable TlsKey key) {
    if (key == null) {
      return null;
    }
    int first = place(key);
    for (int at = first; at < first + HELLO_PLACES; at++) {
      Hello hello = hellos.get(at);
      if (hello != null && hello.key.equals(key) && hellos.compareAndSet(at, hello, null)) {
        return hello.peer;
      }
    }
    return null;
  }

  private static int place(TlsKey key) {
    return key.hashCode() & (MAX_HELLOS - HELLO_PLACES);
  }

  /** The calling thread has read from a socket what begins like a client's hello. */
  public void helloRead(byte[] data, int length, Peer peer) {
    TlsKey key = TlsKey.of(data, 0, length);
    if (key != null && TlsKey.hello(data, 0, length) == TlsKey.CLIENT_HELLO) {
      Hello hello = new Hello(key, peer);
      int first = place(key);
      int at = first;
      while (at < first + HELLO_PLACES && !hellos.compareAndSet(at, null, hello)) {
        at++;
      }
      if (at == first + HELLO_PLACES) {
        hellos.set(first + (int) (key.low() & (HELLO_PLACES - 1)), hello);
      }
    }
  }

  /** An engine has unwrapped. */
  public void unwrapped(
      TlsEngine of,
      SSLEngine engine,
      ByteBuffer[] targets,
      int offset,
      int length,
      SSLEngineResult result) {
    TlsFlow flow = of.in;
    if (of.server) {
      if (of.asks) {
        served(of, engine, result);
      }
      TlsServed served = flow.served;
      int produced = result.bytesProduced();
      if (served != null
          && served.peer != null
          && !flow.dead
          && produced > 0
          && length <= MAX_BUFFERS
          && between(targets, offset, length, of.inStarts) == produced
          && !request(
              served,
              produced,
              (from, into, at, count) ->
                  part(targets, offset, length, of.inStarts, from, into, at, count))) {
        of.forget();
      }
      return;
    }
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
      of.asks = false;
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

  // ---- servers

  /** A server has read plaintext; false if nothing more of the connection is wanted. */
  private boolean request(TlsServed served, int total, Http2Capture.Source source) {
    Peer peer = served.peer;
    TlsServers told = servers;
    if (told == null || peer == null || !told.isWanted(peer.localPort())) {
      return false;
    }
    byte[] first = new byte[1];
    source.get(0, first, 0, 1);
    if ((first[0] < 'A' || first[0] > 'Z') && !told.isContinued(peer.localPort())) {
      return true;
    }
    byte[] data = new byte[Math.min(total, MAX_READ)];
    source.get(0, data, 0, data.length);
    long cookie = told.onRead(data, data.length, total, peer, true);
    if (cookie != 0) {
      served.cookie = cookie;
    }
    return true;
  }

  private TlsMessage answer(TlsFlow flow, TlsServed served) {
    TlsMessage message = new TlsMessage(flow, 0, 0, null);
    message.cookie = served.cookie;
    message.account = servers == null ? null : servers.account();
    return message;
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
      flow.frames = null;
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
    TlsServed served = flow.served;
    if (served != null) {
      if (flow.server) {
        hello(flow, TlsKey.of(data, offset, length), data, offset, length);
      }
      TlsMessage answer = delivered(flow, served.cookie == 0 ? null : answer(flow, served));
      if (answer != null) {
        send(answer);
      }
      return;
    }
    long start = flow.position;
    flow.position = start + length;
    TlsKey key = TlsKey.of(data, offset, length);
    int hello = start == 0 ? TlsKey.hello(data, offset, length) : 0;
    if (flow.server || hello == TlsKey.SERVER_HELLO) {
      hello(flow, key, data, offset, length);
      serve(flow);
      return;
    }
    if (hello == TlsKey.CLIENT_HELLO) {
      flow.fresh = true;
      flow.facts.helloNs = System.nanoTime();
    }
    TlsMessage message = delivered(flow, new TlsMessage(flow, start, flow.position, key));
    if (message == null) {
      tell(flow, start, key);
    } else {
      send(message);
    }
  }

  /** Puts the plaintext of the record that is being written there; null if it has none. */
  private @Nullable TlsMessage delivered(TlsFlow flow, @Nullable TlsMessage message) {
    TlsFlow.Delivery delivery = flow.delivery.get();
    if (delivery == null || delivery.thread != Thread.currentThread() || delivery.rest <= 0) {
      return null;
    }
    int n = Math.min(delivery.rest, FRAGMENT);
    if (message != null) {
      copy(message, delivery.source, delivery.offset, n);
    }
    delivery.offset += n;
    delivery.rest -= n;
    return message;
  }

  /** A hello of a server's without a key asks the client for another one; it is to come then. */
  private static void hello(
      TlsFlow flow, @Nullable TlsKey key, byte[] record, int offset, int length) {
    flow.server = key == null;
    noteHello(flow, key, record, offset, length);
  }

  /** It is a server's. */
  private void serve(TlsFlow flow) {
    if (servers == null) {
      flow.dead = !flow.server;
    } else if (flow.served == null) {
      flow.served = new TlsServed();
    }
  }

  /** A stream has read ciphertext. */
  public void read(TlsFlow flow, byte[] data, int offset, int length) {
    if (flow.dead || length <= 0) {
      return;
    }
    lastUsed.get().in = flow;
    if (flow.served != null) {
      return;
    }
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
      serve(flow);
    }
  }

  /** A stream has passed over ciphertext. */
  public void skipped(TlsFlow flow, long length) {
    flow.position += Math.max(0, length);
  }

  /** The calling thread has made plaintext, up to the buffer's position, of what it read last. */
  public void opened(SSLSocket socket, ByteBuffer plaintext) {
    LastUsed last = lastUsed.get();
    TlsFlow flow = last.in;
    if (flow == null || flow.dead) {
      return;
    }
    TlsServed served = flow.served;
    if (served != null) {
      know(served, socket);
      int total = plaintext.position();
      flow.dead =
          total > 0
              && !request(
                  served, total, (from, into, at, count) -> plaintext.get(from, into, at, count));
      return;
    }
    TlsMessage message = new TlsMessage(flow, flow.records.begin(), flow.position, null);
    int[] starts = {0};
    copy(message, new ByteBuffer[] {plaintext}, 0, 1, starts, plaintext.position());
    send(message);
  }

  private static void know(TlsServed served, SSLSocket socket) {
    InetAddress address = socket.getInetAddress();
    if (served.peer == null && address != null) {
      served.peer = new Peer(socket.getLocalPort(), address.getHostAddress(), socket.getPort());
    }
  }

  /** The calling thread begins a handshake, or finds that it is done. */
  public void handshaking() {
    lastUsed.get().out = null;
  }

  /** It is done with it; what it wrote meanwhile tells whose it was. */
  public void handshaken(SSLSocket socket, @Nullable Throwable error, @Nullable TraceHead head) {
    TlsFlow out = lastUsed.get().out;
    TlsFlow in = lastUsed.get().in;
    if (out == null) {
      return;
    }
    if (out.served != null && in != null && in.served != null) {
      out.served = in.served; // both are this socket's
    }
    if (error != null) {
      if (out.isHandshaking()) {
        failed(out, socket.getSSLParameters(), error, head);
      }
    } else if (out.facts.protocol == null && socket.getUseClientMode()) {
      describe(
          out.facts,
          socket.getSession(),
          socket.getSSLParameters(),
          socket.getApplicationProtocol());
    } else if (out.hello != null && (socket.getNeedClientAuth() || socket.getWantClientAuth())) {
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
    copy(
        message,
        total,
        (from, into, at, count) -> System.arraycopy(source, offset + from, into, at, count));
  }

  /** What lies between the buffers' starts and positions, if it is so many bytes. */
  private void copy(
      TlsMessage message, ByteBuffer[] buffers, int offset, int length, int[] starts, int total) {
    if (length > MAX_BUFFERS || between(buffers, offset, length, starts) != total) {
      message.total = total; // known to be there, but not what it is
      message.flow.frames = null;
      return;
    }
    copy(
        message,
        total,
        (from, into, at, count) -> part(buffers, offset, length, starts, from, into, at, count));
  }

  /** Of HTTP/2 by frames, of others a prefix and the end. */
  private void copy(TlsMessage message, int total, Http2Capture.Source source) {
    TlsFlow flow = message.flow;
    message.total = total;
    message.data = room(total);
    if (flow.messages == 0) {
      flow.frames = Http2Capture.begin(source, total);
    }
    Http2Capture frames = flow.frames;
    if (frames != null) {
      message.place = frames.place();
      message.data = frames.capture(source, total, message.data);
      message.length = frames.length();
      if (frames.isBroken()) {
        flow.frames = null;
      }
      return;
    }
    message.length = Math.min(total, message.data.length);
    source.get(0, message.data, 0, message.length);
    if (total > message.length) {
      message.tail = new byte[TAIL];
      source.get(total - TAIL, message.tail, 0, TAIL);
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
      int at,
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
      buffer.get(starts[i] + skip, into, at + done, n);
      done += n;
      skip = 0;
    }
  }
}
