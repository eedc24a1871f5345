package dev.underspan.matrix;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.PoolOptions;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.client.HttpResponse;
import io.vertx.ext.web.client.WebClient;
import io.vertx.ext.web.client.WebClientOptions;
import java.util.concurrent.TimeUnit;

/**
 * Vert.x with its router and web client: /outer/N asks for /inner/N once a timer has run out,
 * changes to a worker thread and back, and asks for /last/N. Fewer connections than requests: they
 * wait for each other's.
 */
public final class VertxApp {
  private VertxApp() {}

  /** Runs it. */
  public static void main(String[] args) throws Exception {
    Vertx vertx = Vertx.vertx();
    WebClient client =
        WebClient.create(
            vertx,
            new WebClientOptions().setDefaultHost("localhost"),
            new PoolOptions().setHttp1MaxSize(7));
    Router router = Router.router(vertx);
    router
        .get("/outer/:n")
        .handler(
            context -> {
              String n = context.pathParam("n");
              int port = context.request().localAddress().port();
              timer(vertx)
                  .compose(fired -> get(client, port, "/inner/" + n))
                  .compose(answer -> vertx.executeBlocking(answer::bodyAsString))
                  .compose(text -> get(client, port, "/last/" + n))
                  .onSuccess(answer -> context.end(answer.bodyAsString()))
                  .onFailure(context::fail);
            });
    router.get("/inner/:n").handler(context -> context.end("inner"));
    router.get("/last/:n").handler(context -> context.end("last"));
    HttpServer server =
        vertx
            .createHttpServer()
            .requestHandler(router)
            .listen(0, "localhost")
            .toCompletionStage()
            .toCompletableFuture()
            .get(20, TimeUnit.SECONDS);
    System.out.println("port " + server.actualPort());
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    vertx.close().toCompletionStage().toCompletableFuture().get(20, TimeUnit.SECONDS);
  }

  private static Future<Void> timer(Vertx vertx) {
    Promise<Void> promise = Promise.promise();
    vertx.setTimer(1, id -> promise.complete());
    return promise.future();
  }

  private static Future<HttpResponse<Buffer>> get(WebClient client, int port, String path) {
    return client.get(port, "localhost", path).send();
  }
}
