package dev.underspan.instrument;

import jakarta.servlet.DispatcherType;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.util.List;
import net.bytebuddy.asm.Advice;
import org.jspecify.annotations.Nullable;

/**
 * Any Jakarta servlet: the route for the server's span, the span itself in a container that has no
 * instrumentation of its own, and the way back into it for an asynchronous dispatch.
 */
final class ServletInstrumentation {
  static final List<Hook> HOOKS =
      List.of(
          Hook.of(
              "jakarta.servlet.http.HttpServlet",
              "service",
              "(Ljakarta/servlet/ServletRequest;",
              Service.class),
          // Both servers run the task on pools of their own kind.
          asyncStart("org.apache.catalina.core.AsyncContextImpl"),
          asyncStart("org.eclipse.jetty.ee10.servlet.AsyncContextState"));

  private ServletInstrumentation() {}

  private static Hook asyncStart(String type) {
    return Hook.of(type, "start", "(Ljava/lang/Runnable;)", AsyncStart.class);
  }

  static final class AsyncStart {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 0, readOnly = false) Runnable task) {
      task = Underspan.wrap(task);
    }
  }

  static final class Service {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static @Nullable Object enter(@Advice.Argument(0) ServletRequest servletRequest) {
      Object current = Underspan.serverCurrent();
      if (current != null) {
        if (servletRequest.getAttribute("dev.underspan.request") != current) {
          servletRequest.setAttribute("dev.underspan.request", current);
        }
        return null;
      }
      if (!Underspan.serverWanted() || !(servletRequest instanceof HttpServletRequest request)) {
        return null;
      }
      if (request.getDispatcherType() != DispatcherType.REQUEST) {
        return Underspan.serverResume(request.getAttribute("dev.underspan.request"));
      }
      String[] values = Underspan.propagationFields().clone();
      for (int i = 0; i < values.length; i++) {
        values[i] = request.getHeader(values[i]);
      }
      return Underspan.serverStart(
          "servlet",
          request.getMethod(),
          request.getScheme(),
          request.getRequestURI(),
          request.getQueryString(),
          request.getHeader("Host"),
          request.getRemoteAddr(),
          request.getRemotePort(),
          request.getLocalPort(),
          request.getProtocol(),
          request.getHeader("User-Agent"),
          values);
    }

    @Advice.OnMethodExit(onThrowable = Throwable.class, suppress = Throwable.class)
    static void exit(
        @Advice.Enter @Nullable Object opened,
        @Advice.Argument(0) ServletRequest servletRequest,
        @Advice.Argument(1) ServletResponse servletResponse,
        @Advice.Thrown @Nullable Throwable thrown) {
      // The page for an error has a route as well, but it is not the request's.
      if (Underspan.serverRouteWanted()
          && servletRequest instanceof HttpServletRequest request
          && request.getDispatcherType() != DispatcherType.ERROR) {
        Object pattern =
            request.getAttribute(
                "org.springframework.web.servlet.HandlerMapping.bestMatchingPattern");
        if (pattern == null && request.getHttpServletMapping() != null) {
          pattern = request.getHttpServletMapping().getPattern();
        }
        if (pattern != null) {
          String context = request.getContextPath();
          Underspan.serverRoute(context == null ? pattern.toString() : context + pattern);
        }
      }
      if (opened != null) {
        if (servletRequest.getDispatcherType() != DispatcherType.REQUEST) {
          // The server's own instrumentation ends it.
          Underspan.serverSuspend(opened);
        } else {
          Underspan.serverEnd(
              opened,
              servletResponse instanceof HttpServletResponse response ? response.getStatus() : 0,
              null,
              thrown);
        }
      }
    }
  }
}
