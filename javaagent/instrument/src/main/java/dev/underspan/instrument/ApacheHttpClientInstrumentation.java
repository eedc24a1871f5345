package dev.underspan.instrument;

import java.util.List;
import net.bytebuddy.asm.Advice;
import org.apache.hc.core5.http.ClassicHttpRequest;
import org.apache.hc.core5.net.URIAuthority;

/**
 * Adds the propagators' headers to a request of Apache HttpClient 5 (the classic one). What its
 * last stage gets is a copy of the application's request, one for each redirect.
 */
final class ApacheHttpClientInstrumentation {
  static final List<Hook> HOOKS =
      List.of(
          Hook.of(
              "org.apache.hc.client5.http.impl.classic.MainClientExec",
              "execute",
              "(Lorg/apache/hc/core5/http/ClassicHttpRequest;",
              Execute.class));

  private ApacheHttpClientInstrumentation() {}

  static final class Execute {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(0) ClassicHttpRequest request) {
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
}
