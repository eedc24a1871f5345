package dev.underspan.matrix;

import io.lettuce.core.RedisClient;
import io.lettuce.core.api.reactive.RedisReactiveCommands;
import java.net.InetAddress;
import java.time.Duration;
import java.util.List;
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
import reactor.netty.http.client.HttpClient;
import reactor.netty.http.server.HttpServer;
import reactor.netty.resources.ConnectionProvider;

/**
 * Spring WebFlux on Reactor Netty: /outer/N asks itself for /inner/N, changes the thread twice,
 * asks Redis by the command that belongs to N, and then itself for /last/N. The first argument is
 * Redis's port. Fewer connections than requests: they wait for each other's.
 */
public final class FluxApp {
  private FluxApp() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    RedisClient redis = RedisClient.create("redis://127.0.0.1:" + args[0]);
    Handlers.commands = redis.connect().reactive();
    var context = new AnnotationConfigApplicationContext(Handlers.class);
    HttpHandler handler = WebHttpHandlerBuilder.applicationContext(context).build();
    DisposableServer server =
        HttpServer.create()
            .host(InetAddress.getLoopbackAddress().getHostAddress())
            .port(0)
            .handle(new ReactorHttpHandlerAdapter(handler))
            .bindNow();
    HttpClient client =
        HttpClient.create(
            ConnectionProvider.builder("few").maxConnections(7).pendingAcquireMaxCount(-1).build());
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
    redis.shutdown(0, 5, java.util.concurrent.TimeUnit.SECONDS);
  }

  /** What it answers. */
  @RestController
  @EnableWebFlux
  public static class Handlers {
    static RedisReactiveCommands<String, String> commands;
    static WebClient web;

    /** The long way. */
    @GetMapping("/outer/{n}")
    public Mono<String> outer(@PathVariable("n") int n) {
      return get("/inner/" + n)
          .publishOn(Schedulers.parallel())
          .flatMap(text -> Mono.just(text).subscribeOn(Schedulers.boundedElastic()))
          .delayElement(Duration.ofMillis(2))
          .flatMap(text -> redis(n))
          .flatMap(text -> get("/last/" + n));
    }

    /** A body that is read piece by piece, by the event loop. */
    @PostMapping("/body/{n}")
    public Mono<String> body(@PathVariable("n") int n, @RequestBody Mono<String> body) {
      return body.flatMap(text -> get("/inner/" + n).map(answer -> text.length() + answer));
    }

    /** A short one. */
    @GetMapping({"/inner/{n}", "/last/{n}"})
    public Mono<String> inner(@PathVariable("n") int n) {
      return Mono.just("inner " + n);
    }

    private static Mono<String> get(String path) {
      return web.get().uri(path).retrieve().bodyToMono(String.class);
    }

    private static Mono<?> redis(int n) {
      String key = "k" + n;
      return switch (n % 7) {
        case 0 -> commands.set(key, "v");
        case 1 -> commands.incr(key);
        case 2 -> commands.lpush(key, "v");
        case 3 -> commands.sadd(key, "v");
        case 4 -> commands.hset(key, "f", "v");
        case 5 -> commands.exists(key);
        default -> commands.strlen(key);
      };
    }
  }

  /** The command that belongs to N. */
  public static String command(int n) {
    return List.of("SET", "INCR", "LPUSH", "SADD", "HSET", "EXISTS", "STRLEN").get(n % 7);
  }
}
