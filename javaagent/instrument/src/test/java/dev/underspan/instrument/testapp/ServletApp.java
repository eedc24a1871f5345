package dev.underspan.instrument.testapp;

import static dev.underspan.instrument.testapp.Probe.check;
import static dev.underspan.instrument.testapp.Probe.recorded;

import jakarta.servlet.AsyncContext;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.catalina.Context;
import org.apache.catalina.Wrapper;
import org.apache.catalina.startup.Tomcat;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/** Real servers with one servlet; the first argument says which. */
public final class ServletApp {
  private ServletApp() {}

  private static final class Shop extends HttpServlet {
    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response)
        throws IOException {
      switch (request.getPathInfo()) {
        case "/async" -> {
          recorded("async", "server:/shop/async", Probe.context());
          if (request.getAttribute("again") == null) {
            request.setAttribute("again", true);
            AsyncContext async = request.startAsync();
            new Thread(async::dispatch).start();
          } else {
            response.setStatus(207);
          }
        }
        case "/complete" -> {
          AsyncContext async = request.startAsync();
          new Thread(
                  () -> {
                    response.setStatus(208);
                    async.complete();
                  })
              .start();
        }
        case "/start" -> {
          AsyncContext async = request.startAsync();
          async.start(
              () -> {
                recorded("start", "server:/shop/start", Probe.context());
                response.setStatus(209);
                async.complete();
              });
        }
        case "/fail" -> throw new IllegalStateException("expected");
        default -> {
          recorded("sync", "server:/shop/item", Probe.context());
          response.setStatus(206);
          response.getWriter().print("x".repeat(100));
        }
      }
    }
  }

  public static void main(String[] args) throws Exception {
    int port = args[0].equals("tomcat") ? tomcat() : jetty();
    HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    for (int i = 0; i < 3; i++) {
      check("item", 206, get(client, port, "/shop/item?a=b").statusCode());
      check("async", 207, get(client, port, "/shop/async").statusCode());
      check("complete", 208, get(client, port, "/shop/complete").statusCode());
      check("start", 209, get(client, port, "/shop/start").statusCode());
      check("fail", 500, get(client, port, "/shop/fail").statusCode());
      check("missing", 404, get(client, port, "/missing").statusCode());
    }
    Probe.event("start .* /shop/item a=b 127.0.0.1true HTTP/1.1 \\[tp\\]", 3);
    Probe.event("end server:/shop/item 206 /shop/\\* null", 3);
    Probe.event("end server:/shop/async 207 /shop/\\* null", 3);
    Probe.event("end server:/shop/complete 208 /shop/\\* null", 3);
    Probe.event("end server:/shop/start 209 /shop/\\* null", 3);
    Probe.event("end server:/shop/fail 500 /shop/\\* .*", 3);
    Probe.event("end server:/missing 404 (null|/) null", 3);
    Probe.event("start " + args[0] + " .*", 18);
    Probe.event("start .*", 18);
    Probe.event("end .*", 18);
    Probe.event("failed .*", 0);
    System.out.println("DONE");
    System.exit(0);
  }

  private static HttpResponse<Void> get(HttpClient client, int port, String path)
      throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
            .header("traceparent", "tp")
            .build(),
        BodyHandlers.discarding());
  }

  private static int tomcat() throws Exception {
    Tomcat tomcat = new Tomcat();
    Path base = Files.createTempDirectory("underspan-tomcat");
    tomcat.setBaseDir(base.toString());
    tomcat.setPort(0);
    Context context = tomcat.addContext("", base.toString());
    Wrapper wrapper = Tomcat.addServlet(context, "shop", new Shop());
    wrapper.setAsyncSupported(true);
    wrapper.addMapping("/shop/*");
    tomcat.start();
    return tomcat.getConnector().getLocalPort();
  }

  private static int jetty() throws Exception {
    Server server = new Server();
    ServerConnector connector = new ServerConnector(server);
    server.addConnector(connector);
    ServletContextHandler context = new ServletContextHandler();
    context.setContextPath("/");
    ServletHolder holder = new ServletHolder(new Shop());
    holder.setAsyncSupported(true);
    context.addServlet(holder, "/shop/*");
    server.setHandler(context);
    server.start();
    return connector.getLocalPort();
  }
}
