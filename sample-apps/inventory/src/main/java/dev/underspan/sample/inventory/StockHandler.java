package dev.underspan.sample.inventory;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Answers inventory's requests. */
final class StockHandler implements HttpHandler {
  private static final int MAX_SLOW_MS = 10_000;
  private static final Pattern PATH = Pattern.compile("/(stock|reserve|report)/(\\d{1,9})");
  private static final Pattern MS = Pattern.compile("(?:^|&)ms=(\\d{1,9})(?:&|$)");

  private final StockDatabase database;

  StockHandler(StockDatabase database) {
    this.database = database;
  }

  @Override
  public void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      exchange.getRequestBody().readAllBytes();
      try {
        answer(exchange);
      } catch (SQLException e) {
        respond(exchange, 500, "{\"error\":\"database, SQL state " + e.getSQLState() + "\"}");
      }
    }
  }

  private void answer(HttpExchange exchange) throws IOException, SQLException {
    String path = exchange.getRequestURI().getPath();
    if (path.equals("/broken")) {
      database.broken();
    }
    Matcher matcher = PATH.matcher(path);
    if (!matcher.matches()) {
      respond(exchange, 404, "{\"error\":\"no such resource\"}");
      return;
    }
    String resource = matcher.group(1);
    int id = Integer.parseInt(matcher.group(2));
    String allowed = resource.equals("reserve") ? "POST" : "GET";
    if (!exchange.getRequestMethod().equals(allowed)) {
      respond(exchange, 405, "{\"error\":\"use " + allowed + "\"}");
      return;
    }
    switch (resource) {
      case "stock" -> {
        OptionalInt available = database.available(id);
        if (available.isPresent()) {
          respond(exchange, 200, "{\"available\":" + available.getAsInt() + "}");
        } else {
          respond(exchange, 404, "{\"error\":\"no such product\"}");
        }
      }
      case "reserve" -> {
        if (database.reserve(id)) {
          respond(exchange, 200, "{\"reserved\":1}");
        } else {
          respond(exchange, 404, "{\"error\":\"nothing to reserve\"}");
        }
      }
      default -> {
        long count = database.report(id, milliseconds(exchange.getRequestURI().getQuery()));
        respond(exchange, 200, "{\"reservations\":" + count + "}");
      }
    }
  }

  private static int milliseconds(String query) {
    Matcher matcher = MS.matcher(query == null ? "" : query);
    return matcher.find() ? Math.min(MAX_SLOW_MS, Integer.parseInt(matcher.group(1))) : 0;
  }

  private static void respond(HttpExchange exchange, int status, String body) throws IOException {
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, bytes.length);
    exchange.getResponseBody().write(bytes);
  }
}
