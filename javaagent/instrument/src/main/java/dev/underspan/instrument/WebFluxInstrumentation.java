package dev.underspan.instrument;

import java.util.List;
import net.bytebuddy.asm.Advice;
import org.springframework.web.server.ServerWebExchange;

/** Spring WebFlux: the pattern that has matched. */
final class WebFluxInstrumentation {
  static final List<Hook> HOOKS =
      List.of(
          Hook.of(
              "org.springframework.web.reactive.DispatcherHandler",
              "handleRequestWith|invokeHandler",
              "(Lorg/springframework/web/server/ServerWebExchange;Ljava/lang/Object;)",
              Matched.class));

  private WebFluxInstrumentation() {}

  static final class Matched {
    @Advice.OnMethodEnter(suppress = Throwable.class)
    static void enter(@Advice.Argument(0) ServerWebExchange exchange) {
      Object pattern =
          exchange
              .getAttributes()
              .get("org.springframework.web.reactive.HandlerMapping.bestMatchingPattern");
      if (pattern != null) {
        Underspan.serverRoute(pattern.toString());
      }
    }
  }
}
