package dev.underspan.runtime;

import dev.underspan.bridge.activity.Activities;
import dev.underspan.bridge.activity.Activity;
import dev.underspan.bridge.tls.TlsEngine;
import dev.underspan.bridge.tls.TlsFlow;
import dev.underspan.bridge.tls.TlsTap;
import dev.underspan.bridge.wire.TraceHead;
import java.nio.ByteBuffer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.NullUnmarked;

/** What advice on TLS calls, carried out by the bridge. */
@NullUnmarked // the interface speaks plain Java, since it lives in java.lang
final class TlsAdviceRuntime implements UnderspanTlsRuntime {
  private final TlsTap tap;
  private final Activities activities;
  private final AgentThreads agentThreads;

  TlsAdviceRuntime(TlsTap tap, Activities activities, AgentThreads agentThreads) {
    this.tap = tap;
    this.activities = activities;
    this.agentThreads = agentThreads;
  }

  private TlsEngine known(SSLEngine engine) {
    TlsEngine known = tap.known(engine);
    return known != null ? known : tap.begin(engine, !agentThreads.isCurrent());
  }

  @Override
  public Object wrapping(SSLEngine engine, ByteBuffer[] sources, int offset, int length) {
    TlsEngine kept = known(engine);
    return tap.wrapping(kept, sources, offset, length) ? kept : null;
  }

  @Override
  public void wrapped(
      Object kept,
      SSLEngine engine,
      ByteBuffer[] sources,
      int offset,
      int length,
      ByteBuffer target,
      SSLEngineResult result) {
    tap.wrapped((TlsEngine) kept, engine, sources, offset, length, target, result);
  }

  @Override
  public Object unwrapping(
      SSLEngine engine, ByteBuffer source, ByteBuffer[] targets, int offset, int length) {
    TlsEngine kept = known(engine);
    return tap.unwrapping(kept, source, targets, offset, length) ? kept : null;
  }

  @Override
  public void unwrapped(
      Object kept,
      SSLEngine engine,
      ByteBuffer[] targets,
      int offset,
      int length,
      SSLEngineResult result) {
    tap.unwrapped((TlsEngine) kept, engine, targets, offset, length, result);
  }

  @Override
  public void engineFailed(Object kept, SSLEngine engine, Throwable error) {
    tap.failed((TlsEngine) kept, engine, error, head());
  }

  private TraceHead head() {
    Activity current = activities.current();
    return current == null ? null : current.head();
  }

  @Override
  public Object stream(boolean output) {
    return agentThreads.isCurrent() ? null : tap.begin(output);
  }

  @Override
  public void delivering(Object kept, byte[] source, int offset, int length) {
    tap.delivering((TlsFlow) kept, source, offset, length);
  }

  @Override
  public void delivered(Object kept) {
    tap.delivered((TlsFlow) kept);
  }

  @Override
  public void writing(Object kept, byte[] data, int offset, int length) {
    tap.writing((TlsFlow) kept, data, offset, length);
  }

  @Override
  public void read(Object kept, byte[] data, int offset, int length) {
    tap.read((TlsFlow) kept, data, offset, length);
  }

  @Override
  public void skipped(Object kept, long length) {
    tap.skipped((TlsFlow) kept, length);
  }

  @Override
  public void opened(SSLSocket socket, ByteBuffer plaintext) {
    tap.opened(socket, plaintext);
  }

  @Override
  public void handshaking(SSLSocket socket) {
    tap.handshaking();
  }

  @Override
  public void handshaken(SSLSocket socket, Throwable error) {
    tap.handshaken(socket, error, error == null ? null : head());
  }
}
