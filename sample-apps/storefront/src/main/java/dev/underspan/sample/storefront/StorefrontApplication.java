package dev.underspan.sample.storefront;

import java.util.HashMap;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.context.event.ApplicationReadyEvent;
import org.springframework.context.ApplicationListener;

/** The shop's front: a Spring Boot application that asks inventory and pricing. */
@SpringBootApplication(proxyBeanMethods = false)
public class StorefrontApplication {
  /** Starts the storefront: {@code [--port N]}, or {@code PORT}; 0 takes any free port. */
  public static void main(String[] args) {
    Map<String, Object> defaults = new HashMap<>();
    defaults.put("server.port", port(args));
    SpringApplication application = new SpringApplication(StorefrontApplication.class);
    application.setDefaultProperties(defaults);
    application.addListeners(
        (ApplicationListener<ApplicationReadyEvent>)
            event -> {
              String port =
                  event.getApplicationContext().getEnvironment().getProperty("local.server.port");
              System.out.print("storefront ready on port " + port + "\n");
              System.out.flush();
            });
    application.run();
  }

  private static int port(String[] args) {
    for (int i = 0; i + 1 < args.length; i++) {
      if (args[i].equals("--port")) {
        return Integer.parseInt(args[i + 1]);
      }
    }
    String fromEnvironment = System.getenv("PORT");
    return Integer.getInteger(
        "port", fromEnvironment == null ? 8080 : Integer.parseInt(fromEnvironment));
  }
}
