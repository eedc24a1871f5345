package dev.underspan.instrument;

import java.util.List;
import net.bytebuddy.asm.Advice;
import org.apache.catalina.connector.CoyoteAdapter;
import org.apache.coyote.ActionCode;
import org.apache.coyote.Request;
import org.apache.coyote.Response;
import org.jspecify.annotations.Nullable;

/** Tomcat: from the parsed header to the flushed response, asynchronous requests included. */
final class TomcatInstrumentation {
  private static final String ADAPTER = "org.apache.catalina.connector.CoyoteAdapter";

  static final List<Hook> HOOKS =
      List.of(
          Hook.of(ADAPTER, "service", null, Service.class),
          Hook.of(ADAPTER, "asyncDispatch", null, AsyncDispatch.class));

  private TomcatInstrumentation() {}

  static final class Service {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    @SuppressWarnings("deprecation") // older Tomcats have nothing else
    static @Nullable Object enter(@Advice.Argument(0) Request request) {
      if (!Underspan.serverWanted()) {
        return null;
      }
      String[] values = Underspan.propagationFields().clone();
      for (int i = 0; i < values.length; i++) {
        values[i] = request.getHeader(values[i]);
      }
      // Tomcat fills these in on demand.
      request.action(ActionCode.REQ_HOST_ADDR_ATTRIBUTE, request);
      request.action(ActionCode.REQ_REMOTEPORT_ATTRIBUTE, request);
      request.action(ActionCode.REQ_LOCALPORT_ATTRIBUTE, request);
      String scheme = request.scheme().toString();
      return Underspan.serverStart(
          "tomcat",
          request.method().toString(),
          scheme == null ? "http" : scheme,
          request.requestURI().toString(),
          request.queryString().toString(),
          request.getHeader("Host"),
          request.remoteAddr().toString(),
          request.getRemotePort(),
          request.getLocalPort(),
          request.protocol().toString(),
          request.getHeader("User-Agent"),
          values);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(
        @Advice.Enter @Nullable Object opened,
        @Advice.Argument(0) Request request,
        @Advice.Argument(1) Response response,
        @Advice.Thrown @Nullable Throwable thrown) {
      if (opened != null) {
        if (thrown == null
            && request.getNote(CoyoteAdapter.ADAPTER_NOTES)
                instanceof org.apache.catalina.connector.Request connector
            && connector.isAsync()) {
          request.setAttribute("dev.underspan.request", opened);
          Underspan.serverSuspend(opened);
        } else {
          Underspan.serverEnd(
              opened,
              response.getStatus(),
              null,
              thrown == null ? response.getErrorException() : thrown);
        }
      }
    }
  }

  static final class AsyncDispatch {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(@Advice.Argument(0) Request request) {
      return Underspan.serverResume(request.getAttribute("dev.underspan.request"));
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(
        @Advice.Enter @Nullable Object opened,
        @Advice.Argument(0) Request request,
        @Advice.Argument(1) Response response,
        @Advice.Thrown @Nullable Throwable thrown) {
      if (opened != null) {
        if (thrown == null
            && request.getNote(CoyoteAdapter.ADAPTER_NOTES)
                instanceof org.apache.catalina.connector.Request connector
            && connector.isAsync()) {
          Underspan.serverSuspend(opened);
        } else {
          request.setAttribute("dev.underspan.request", null);
          Underspan.serverEnd(
              opened,
              response.getStatus(),
              null,
              thrown == null ? response.getErrorException() : thrown);
        }
      }
    }
  }
}
