package dev.underspan.sample.load;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/** Brings the shop into a known situation by requests to the storefront. */
public final class LoadDriver {
  /** What the shop can be brought into. */
  public enum Situation {
    /** Nothing special; one request in four is a checkout. */
    NORMAL("normal", 200, 4, 0),
    /** Requests wait for one lock in pricing, with threads to spare. */
    LOCK("lock", 24, 12, 30),
    /** Inventory waits for its database. */
    SLOW_SQL("slow-sql", 20, 4, 300),
    /** More requests at once than pricing has threads: the rest wait in their sockets. */
    SATURATED("saturated", 80, 40, 150);

    private final String parameter;
    private final int requests;
    private final int clients;
    private final int millis;

    Situation(String parameter, int requests, int clients, int millis) {
      this.parameter = parameter;
      this.requests = requests;
      this.clients = clients;
      this.millis = millis;
    }

    /** The storefront's word for it. */
    public String parameter() {
      return parameter;
    }

    /** Finds a situation by the storefront's word or the constant's name. */
    public static Situation named(String name) {
      String plain = name.toLowerCase(Locale.ROOT).replace('_', '-');
      return Arrays.stream(values())
          .filter(situation -> situation.parameter.equals(plain))
          .findFirst()
          .orElseThrow(() -> new IllegalArgumentException("no such situation: " + name));
    }
  }

  /**
   * What to send: so many requests by so many clients at once, for no longer than the time limit.
   *
   * @param millis how long the lock is held, the SQL statement takes or the thread is occupied,
   *     each time
   */
  public record Plan(
      Situation situation, int requests, int clients, int millis, Duration timeLimit) {
    /** The usual plan for a situation. */
    public static Plan of(Situation situation) {
      return new Plan(
          situation,
          situation.requests,
          situation.clients,
          situation.millis,
          Duration.ofSeconds(60));
    }

    /** The same plan with another number of requests. */
    public Plan withRequests(int value) {
      return new Plan(situation, value, clients, millis, timeLimit);
    }

    /** The same plan with another number of clients. */
    public Plan withClients(int value) {
      return new Plan(situation, requests, value, millis, timeLimit);
    }

    /** The same plan with another duration of each lock, statement or piece of work. */
    public Plan withMillis(int value) {
      return new Plan(situation, requests, clients, value, timeLimit);
    }

    /** The same plan with another time limit; it ends the sending, not requests under way. */
    public Plan withTimeLimit(Duration value) {
      return new Plan(situation, requests, clients, millis, value);
    }
  }

  /** How far a run has come. */
  public record Progress(Situation situation, int done, int total, int errors) {}

  /**
   * What came of a run.
   *
   * @param sent how many requests were sent; fewer than planned if the time limit came first
   * @param errors requests without an answer, or with another status than 200
   * @param statuses how often each status was answered
   * @param latencies of the requests that were answered, shortest first
   * @param messages the first few errors in words
   */
  public record Result(
      Plan plan,
      int sent,
      int errors,
      Map<Integer, Integer> statuses,
      List<Duration> latencies,
      List<String> messages,
      Duration elapsed) {
    /** The latency that the given share (0 to 1) of the requests did not exceed. */
    public Duration percentile(double share) {
      if (latencies.isEmpty()) {
        return Duration.ZERO;
      }
      int index = (int) Math.ceil(share * latencies.size()) - 1;
      return latencies.get(Math.min(latencies.size() - 1, Math.max(0, index)));
    }

    /** One line for people. */
    public String summary() {
      return String.format(
          Locale.ROOT,
          "%-9s %4d requests, %d errors, %d clients, %5d ms; latency p50 %d p90 %d p99 %d max %d ms",
          plan.situation().parameter(),
          sent,
          errors,
          plan.clients(),
          elapsed.toMillis(),
          percentile(0.5).toMillis(),
          percentile(0.9).toMillis(),
          percentile(0.99).toMillis(),
          percentile(1).toMillis());
    }
  }

  private static final int PRODUCTS = 500;
  private static final int MESSAGES = 10;

  private final URI storefront;
  private final HttpClient client =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(Duration.ofSeconds(5))
          .build();

  /** Makes a driver for the storefront at a root URL. */
  public LoadDriver(URI storefront) {
    this.storefront = storefront;
  }

  /** Runs the usual plan for a situation. */
  public Result run(Situation situation) throws InterruptedException {
    return run(Plan.of(situation), progress -> {});
  }

  /** Runs a plan; the callback hears of every request that ended, one at a time. */
  public Result run(Plan plan, Consumer<Progress> callback) throws InterruptedException {
    Run run = new Run(plan, callback);
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < plan.clients(); i++) {
      Thread thread = new Thread(run::sendAll, "load-" + (i + 1));
      thread.setDaemon(true);
      threads.add(thread);
    }
    run.begin = System.nanoTime();
    threads.forEach(Thread::start);
    try {
      for (Thread thread : threads) {
        thread.join();
      }
    } catch (InterruptedException e) {
      threads.forEach(Thread::interrupt);
      throw e;
    }
    return run.result();
  }

  /** The path of the n-th request of a plan, counted from 0. */
  static String path(Plan plan, int n) {
    int product = 1 + (n * 7) % PRODUCTS;
    Situation situation = plan.situation();
    String page =
        situation == Situation.NORMAL && n % 4 == 3 ? "/shop/checkout/" : "/shop/products/";
    String query = "?situation=" + situation.parameter();
    return page
        + product
        + (situation == Situation.NORMAL ? query : query + "&ms=" + plan.millis());
  }

  private final class Run {
    private final Plan plan;
    private final Consumer<Progress> callback;
    private final AtomicInteger next = new AtomicInteger();
    private final Map<Integer, Integer> statuses = new TreeMap<>();
    private final List<Duration> latencies = new ArrayList<>();
    private final List<String> messages = new ArrayList<>();
    private int done;
    private int errors;
    private long begin;

    Run(Plan plan, Consumer<Progress> callback) {
      this.plan = plan;
      this.callback = callback;
    }

    void sendAll() {
      while (System.nanoTime() - begin < plan.timeLimit().toNanos()) {
        int n = next.getAndIncrement();
        if (n >= plan.requests() || !send(n)) {
          return;
        }
      }
    }

    private boolean send(int n) {
      String path = path(plan, n);
      HttpRequest request =
          HttpRequest.newBuilder(URI.create(storefront + path))
              .timeout(Duration.ofSeconds(30))
              .build();
      long start = System.nanoTime();
      try {
        HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
        Duration latency = Duration.ofNanos(System.nanoTime() - start);
        String error =
            response.statusCode() == 200
                ? ""
                : path + " answered " + response.statusCode() + ": " + response.body();
        ended(response.statusCode(), latency, error);
        return true;
      } catch (IOException e) {
        ended(0, Duration.ZERO, path + ": " + e);
        return true;
      } catch (InterruptedException e) {
        ended(0, Duration.ZERO, path + ": interrupted");
        return false;
      }
    }

    private synchronized void ended(int status, Duration latency, String error) {
      done++;
      if (status != 0) {
        statuses.merge(status, 1, Integer::sum);
        latencies.add(latency);
      }
      if (!error.isEmpty()) {
        errors++;
        if (messages.size() < MESSAGES) {
          messages.add(error);
        }
      }
      callback.accept(new Progress(plan.situation(), done, plan.requests(), errors));
    }

    synchronized Result result() {
      long elapsed = System.nanoTime() - begin;
      return new Result(
          plan,
          done,
          errors,
          Map.copyOf(statuses),
          latencies.stream().sorted().toList(),
          List.copyOf(messages),
          Duration.of(elapsed, TimeUnit.NANOSECONDS.toChronoUnit()));
    }
  }
}
