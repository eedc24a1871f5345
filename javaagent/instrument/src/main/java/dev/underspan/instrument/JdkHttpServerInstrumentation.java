package dev.underspan.instrument;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import java.net.URI;
import java.util.List;
import net.bytebuddy.asm.Advice;
import org.jspecify.annotations.Nullable;

/** The JDK's own HTTP server: the outermost filter chain of an exchange. */
final class JdkHttpServerInstrumentation {
  static final List<Hook> HOOKS =
      List.of(Hook.of("com.sun.net.httpserver.Filter$Chain", "doFilter", null, DoFilter.class));

  private JdkHttpServerInstrumentation() {}

  static final class DoFilter {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(@Advice.Argument(0) HttpExchange exchange) {
      if (!Underspan.serverWanted()) {
        return null;
      }
      Headers headers = exchange.getRequestHeaders();
      String[] values = Underspan.propagationFields().clone();
      for (int i = 0; i < values.length; i++) {
        values[i] = headers.getFirst(values[i]);
      }
      URI uri = exchange.getRequestURI();
      Object opened =
          Underspan.serverStart(
              "jdk-httpserver",
              exchange.getRequestMethod(),
              exchange.getClass().getName().contains("Https") ? "https" : "http",
              uri.getRawPath(),
              uri.getRawQuery(),
              headers.getFirst("Host"),
              exchange.getRemoteAddress().getAddress().getHostAddress(),
              exchange.getRemoteAddress().getPort(),
              exchange.getLocalAddress().getPort(),
              exchange.getProtocol(),
              headers.getFirst("User-Agent"),
              values);
      Underspan.serverRoute(exchange.getHttpContext().getPath());
      return opened;
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(
        @Advice.Enter @Nullable Object opened,
        @Advice.Argument(0) HttpExchange exchange,
        @Advice.Thrown @Nullable Throwable thrown) {
      if (opened != null) {
        int status = exchange.getResponseCode();
        Underspan.serverEnd(opened, status < 0 ? 0 : status, null, thrown);
      }
    }
  }
}
