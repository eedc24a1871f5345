package dev.underspan.instrument;

import java.net.URL;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.util.List;
import jdk.internal.net.http.common.HttpHeadersBuilder;
import net.bytebuddy.asm.Advice;
import sun.net.www.MessageHeader;

/** Adds the propagators' headers to requests of the JDK's two HTTP clients. */
final class HttpClientInstrumentation {
  static final List<Hook> HOOKS =
      List.of(
          Hook.of(
              "jdk.internal.net.http.HttpRequestImpl",
              "<init>",
              // The copy that every send makes of the application's request.
              "(Ljava/net/http/HttpRequest;Ljava/net/ProxySelector;)",
              OfHttpClient.class),
          Hook.of(
              "sun.net.www.protocol.http.HttpURLConnection",
              "writeRequests",
              "()V",
              OfUrlConnection.class));

  private HttpClientInstrumentation() {}

  static final class OfHttpClient {
    @Advice.OnMethodExit(suppress = Throwable.class)
    static void exit(
        @Advice.Argument(0) HttpRequest request,
        @Advice.FieldValue("userHeaders") HttpHeaders userHeaders,
        @Advice.FieldValue("systemHeadersBuilder") HttpHeadersBuilder systemHeaders) {
      String[] headers =
          Underspan.clientInject(
              request.uri().getScheme(), request.uri().getHost(), request.uri().getPort());
      if (headers != null && userHeaders.firstValue("traceparent").isEmpty()) {
        for (int i = 0; i + 1 < headers.length; i += 2) {
          if (userHeaders.firstValue(headers[i]).isEmpty()) {
            systemHeaders.setHeader(headers[i], headers[i + 1]);
          }
        }
      }
    }
  }

  static final class OfUrlConnection {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(
        @Advice.FieldValue("url") URL url, @Advice.FieldValue("requests") MessageHeader requests) {
      // Called again for a second try with the same headers: what is there already stays.
      if (requests.findValue("traceparent") == null) {
        String[] headers = Underspan.clientInject(url.getProtocol(), url.getHost(), url.getPort());
        if (headers != null) {
          for (int i = 0; i + 1 < headers.length; i += 2) {
            requests.setIfNotSet(headers[i], headers[i + 1]);
          }
        }
      }
    }
  }
}
