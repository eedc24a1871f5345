package dev.underspan.boot;

import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import org.springframework.boot.web.servlet.context.ServletWebServerApplicationContext;
import org.springframework.http.client.JdkClientHttpRequestFactory;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestClient;
import org.springframework.web.reactive.function.client.WebClient;

/** Each way of Spring MVC to answer, with each client: /.../N asks this server for /inner/N. */
@RestController
public class Orders {
  private final ServletWebServerApplicationContext context;
  private final RestClient rest;
  private final WebClient web;

  Orders(
      ServletWebServerApplicationContext context,
      RestClient.Builder restBuilder,
      WebClient.Builder webBuilder) {
    this.context = context;
    this.rest = restBuilder.requestFactory(new JdkClientHttpRequestFactory()).build();
    this.web = webBuilder.build();
  }

  private String inner(int n) {
    return "http://localhost:" + context.getWebServer().getPort() + "/inner/" + n;
  }

  private String ask(int n) {
    return rest.get().uri(inner(n)).retrieve().body(String.class);
  }

  private CompletableFuture<String> askLater(int n) {
    return web.get().uri(inner(n)).retrieve().bodyToMono(String.class).toFuture();
  }

  /** On the request's own thread. */
  @GetMapping("/rest/{n}")
  public String byRestClient(@PathVariable("n") int n) {
    return ask(n);
  }

  /** The same, waiting for an event loop. */
  @GetMapping("/web/{n}")
  public String byWebClient(@PathVariable("n") int n) {
    return askLater(n).join();
  }

  /** The answer is dispatched again when an event loop has it. */
  @GetMapping("/future/{n}")
  public CompletableFuture<String> later(@PathVariable("n") int n) {
    return askLater(n);
  }

  /** On a thread of Spring's task executor. */
  @GetMapping("/callable/{n}")
  public Callable<String> elsewhere(@PathVariable("n") int n) {
    return () -> ask(n);
  }

  /** A short one. */
  @GetMapping("/inner/{n}")
  public String answer(@PathVariable("n") int n) {
    return "inner " + n;
  }
}
