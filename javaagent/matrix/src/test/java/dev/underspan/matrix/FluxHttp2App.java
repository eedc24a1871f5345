package dev.underspan.matrix;

import java.net.InetAddress;
import java.time.Duration;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.http.client.reactive.ReactorClientHttpConnector;
import org.springframework.http.server.reactive.HttpHandler;
import org.springframework.http.server.reactive.ReactorHttpHandlerAdapter;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.reactive.config.EnableWebFlux;
import org.springframework.web.reactive.function.client.WebClient;
import org.springframework.web.server.adapter.WebHttpHandlerBuilder;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;
import reactor.netty.DisposableServer;
import reactor.netty.http.HttpProtocol;
import reactor.netty.http.client.HttpClient;
import reactor.netty.http.server.HttpServer;
import reactor.netty.resources.ConnectionProvider;

/**
 * Spring WebFlux on Reactor Netty, which speaks HTTP/1.1 and, in the clear, HTTP/2: /outer/N posts
 * to /middle/N over HTTP/2, which changes the thread twice and asks for /inner/N over it. Two
 * connections, with few streams at once, carry all of these.
 */
public final class FluxHttp2App {
  private FluxHttp2App() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    var context = new AnnotationConfigApplicationContext(Handlers.class);
    HttpHandler handler = WebHttpHandlerBuilder.applicationContext(context).build();
    DisposableServer server =
        HttpServer.create()
            .host(InetAddress.getLoopbackAddress().getHostAddress())
            .port(0)
            .protocol(HttpProtocol.HTTP11, HttpProtocol.H2C)
            .http2Settings(settings -> settings.maxConcurrentStreams(50))
            .handle(new ReactorHttpHandlerAdapter(handler))
            .bindNow();
    HttpClient client =
        HttpClient.create(
                ConnectionProvider.builder("few")
                    .maxConnections(4)
                    .pendingAcquireMaxCount(-1)
                    .build())
            .protocol(HttpProtocol.H2C);
    Handlers.web =
        WebClient.builder()
            .clientConnector(new ReactorClientHttpConnector(client))
            .baseUrl("http://localhost:" + server.port())
            .build();
    System.out.println("port " + server.port());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    server.disposeNow();
  }

  /** What it answers. */
  @RestController
  @EnableWebFlux
  public static class Handlers {
    static WebClient web;

    /** By HTTP/1.1. */
    @GetMapping("/outer/{n}")
    public Mono<String> outer(@PathVariable("n") int n) {
      return web.post()
          .uri("/middle/" + n)
          .bodyValue("x".repeat(200))
          .retrieve()
          .bodyToMono(String.class);
    }

    /** By HTTP/2, with a body. */
    @PostMapping("/middle/{n}")
    public Mono<String> middle(@PathVariable("n") int n, @RequestBody Mono<String> body) {
      return body.publishOn(Schedulers.parallel())
          .flatMap(text -> Mono.just(text).subscribeOn(Schedulers.boundedElastic()))
          .delayElement(Duration.ofMillis(2))
          .flatMap(text -> web.get().uri("/inner/" + n).retrieve().bodyToMono(String.class));
    }

    /** A short one. */
    @GetMapping("/inner/{n}")
    public Mono<String> inner(@PathVariable("n") int n) {
      return Mono.just("inner " + n);
    }
  }
}
