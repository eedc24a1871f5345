package dev.underspan.instrument;

import java.util.List;
import net.bytebuddy.asm.Advice;
import okhttp3.Request;

/** Adds the propagators' headers to a request of OkHttp just before it is written. */
final class OkHttpInstrumentation {
  static final List<Hook> HOOKS =
      List.of(
          Hook.of(
              "okhttp3.internal.connection.Exchange",
              "writeRequestHeaders",
              "(Lokhttp3/Request;)V",
              Write.class));

  private OkHttpInstrumentation() {}

  static final class Write {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(value = 0, readOnly = false) Request request) {
      if (request.header("traceparent") == null) {
        String[] headers =
            Underspan.clientInject(
                request.url().scheme(), request.url().host(), request.url().port());
        if (headers != null) {
          Request.Builder changed = request.newBuilder();
          for (int i = 0; i + 1 < headers.length; i += 2) {
            if (request.header(headers[i]) == null) {
              changed.header(headers[i], headers[i + 1]);
            }
          }
          request = changed.build();
        }
      }
    }
  }
}
