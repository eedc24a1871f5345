package dev.underspan.instrument;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/** Which classes are changed, and how; keyed by internal name. */
final class Catalogue {
  /** Only of names that end so is the simple name looked up. */
  private static final String SUFFIX = "Engine";

  private final Map<String, List<Hook>> byInternalName = new HashMap<>();

  Catalogue(Predicate<String> enabled) {
    add(enabled, "servlet", ServletInstrumentation.HOOKS);
    add(enabled, "tomcat", TomcatInstrumentation.HOOKS);
    add(enabled, "jetty", JettyInstrumentation.HOOKS);
    add(enabled, "jdk-httpserver", JdkHttpServerInstrumentation.HOOKS);
    add(enabled, "netty", NettyInstrumentation.HOOKS);
    add(enabled, "netty", NettyHttp2Instrumentation.HOOKS);
    add(enabled, "outbound", OutboundInstrumentation.HOOKS);
    add(enabled, "grpc", GrpcInstrumentation.HOOKS);
    add(enabled, "webflux", WebFluxInstrumentation.HOOKS);
    add(enabled, "executor", ExecutorInstrumentation.HOOKS);
    add(enabled, "event-loop", EventLoopInstrumentation.HOOKS);
    add(enabled, "carrier", CarrierInstrumentation.HOOKS);
    add(enabled, "thread", ThreadInstrumentation.HOOKS);
    add(enabled, "blocking", BlockingInstrumentation.HOOKS);
    add(enabled, "http-client", HttpClientInstrumentation.HOOKS);
    add(enabled, "okhttp", OkHttpInstrumentation.HOOKS);
    add(enabled, "apache-httpclient", ApacheHttpClientInstrumentation.HOOKS);
    add(enabled, "kafka", KafkaInstrumentation.HOOKS);
    add(enabled, "accept", AcceptInstrumentation.HOOKS);
    add(enabled, "socket-server", SocketServerInstrumentation.HOOKS);
    add(enabled, "opentelemetry", OpenTelemetryInstrumentation.HOOKS);
    add(enabled, "tls", TlsInstrumentation.HOOKS);
    add(enabled, "tls", BouncyCastleTlsInstrumentation.HOOKS);
  }

  private void add(Predicate<String> enabled, String name, List<Hook> hooks) {
    if (enabled.test(name)) {
      for (Hook hook : hooks) {
        byInternalName
            .computeIfAbsent(hook.type().replace('.', '/'), k -> new ArrayList<>())
            .add(hook);
      }
    }
  }

  List<Hook> hooks(String internalName) {
    List<Hook> exact = byInternalName.get(internalName);
    if (exact == null && internalName.endsWith(SUFFIX)) {
      exact = byInternalName.get("*" + internalName.substring(internalName.lastIndexOf('/') + 1));
    }
    return exact == null ? List.of() : exact;
  }
}
