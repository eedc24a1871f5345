package dev.underspan.instrument;

import java.util.List;
import net.bytebuddy.asm.Advice;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.jspecify.annotations.Nullable;

/**
 * Jetty 12, whichever environment: Jetty itself tells when a request is complete, also an
 * asynchronous one.
 */
final class JettyInstrumentation {
  static final List<Hook> HOOKS =
      List.of(
          Hook.of(
              "org.eclipse.jetty.server.Server",
              "handle",
              "(Lorg/eclipse/jetty/server/Request;",
              Handle.class));

  private JettyInstrumentation() {}

  static final class Handle {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(
        @Advice.Argument(0) Request request, @Advice.Argument(1) Response response) {
      if (!Underspan.serverWanted()) {
        return null;
      }
      HttpFields headers = request.getHeaders();
      String[] values = Underspan.propagationFields().clone();
      for (int i = 0; i < values.length; i++) {
        values[i] = headers.get(values[i]);
      }
      Object opened =
          Underspan.serverStart(
              "jetty",
              request.getMethod(),
              request.getHttpURI().getScheme(),
              request.getHttpURI().getPath(),
              request.getHttpURI().getQuery(),
              headers.get("Host"),
              Request.getRemoteAddr(request),
              Request.getRemotePort(request),
              Request.getLocalPort(request),
              request.getConnectionMetaData().getHttpVersion().asString(),
              headers.get("User-Agent"),
              values);
      if (opened != null) {
        Request.addCompletionListener(
            request, Underspan.serverCompletion(opened, response, Response.class));
      }
      return opened;
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(@Advice.Enter @Nullable Object opened) {
      // Completion comes after this, on this thread or another.
      Underspan.serverSuspend(opened);
    }
  }
}
