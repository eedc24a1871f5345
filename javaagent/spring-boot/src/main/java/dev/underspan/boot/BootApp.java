package dev.underspan.boot;

import java.io.IOException;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.servlet.context.ServletWebServerApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;

/** Spring Boot on Tomcat, as its documentation has it; ends with its standard input. */
@SpringBootApplication
public class BootApp {

  /** Runs it. */
  public static void main(String[] args) throws IOException {
    ConfigurableApplicationContext context = SpringApplication.run(BootApp.class, args);
    int port = ((ServletWebServerApplicationContext) context).getWebServer().getPort();
    System.out.println("port " + port);
    while (System.in.read() >= 0) {
      // until the test lets go
    }
    context.close();
  }
}
