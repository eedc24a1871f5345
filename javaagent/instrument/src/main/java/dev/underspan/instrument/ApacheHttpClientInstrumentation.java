package dev.underspan.instrument;

import java.util.List;
import net.bytebuddy.asm.Advice;
import org.apache.hc.core5.http.HttpRequest;
import org.apache.hc.core5.net.URIAuthority;
import org.jspecify.annotations.Nullable;

/**
 * Adds the propagators' headers to a request of Apache HttpClient 5. What its last stage gets is a
 * copy of the application's request, one for each redirect. The asynchronous one gets there on
 * whichever thread has a connection for it: the context is kept by the scope of the exchange.
 */
final class ApacheHttpClientInstrumentation {
  private static final String CLIENT = "org.apache.hc.client5.http.";

  static final List<Hook> HOOKS =
      List.of(
          Hook.of(
              CLIENT + "impl.classic.MainClientExec",
              "execute",
              "(Lorg/apache/hc/core5/http/ClassicHttpRequest;",
              Execute.class),
          Hook.of(
              CLIENT + "async.AsyncExecChain$Scope",
              "<init>",
              null,
              CarrierInstrumentation.Capture.class),
          async("HttpAsyncMainClientExec"),
          async("H2AsyncMainClientExec"));

  private ApacheHttpClientInstrumentation() {}

  private static Hook async(String exec) {
    return Hook.of(
        CLIENT + "impl.async." + exec,
        "execute",
        "(Lorg/apache/hc/core5/http/HttpRequest;",
        ExecuteAsync.class);
  }

  static final class Execute {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(0) HttpRequest request) {
      URIAuthority authority = request.getAuthority();
      // Called again for a second try: what is there already stays.
      if (authority != null && !request.containsHeader("traceparent")) {
        String[] headers =
            Underspan.clientInject(
                request.getScheme(), authority.getHostName(), authority.getPort());
        if (headers != null) {
          for (int i = 0; i + 1 < headers.length; i += 2) {
            if (!request.containsHeader(headers[i])) {
              request.setHeader(headers[i], headers[i + 1]);
            }
          }
        }
      }
    }
  }

  static final class ExecuteAsync {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(
        @Advice.Argument(0) HttpRequest request, @Advice.Argument(2) Object exchange) {
      Object scope = Underspan.restore(Underspan.capturedBy(exchange));
      URIAuthority authority = request.getAuthority();
      if (authority != null && !request.containsHeader("traceparent")) {
        String[] headers =
            Underspan.clientInject(
                request.getScheme(), authority.getHostName(), authority.getPort());
        if (headers != null) {
          for (int i = 0; i + 1 < headers.length; i += 2) {
            if (!request.containsHeader(headers[i])) {
              request.setHeader(headers[i], headers[i + 1]);
            }
          }
        }
      }
      return scope;
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.Enter @Nullable Object scope) {
      Underspan.restored(scope);
    }
  }
}
