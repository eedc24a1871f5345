package dev.underspan.matrix;

import static org.assertj.core.api.Assertions.assertThat;

import dev.underspan.AppUnderAgent;
import dev.underspan.Jdks;
import dev.underspan.bridge.wire.LocalServer;
import dev.underspan.demo.OtlpReceiver;
import dev.underspan.demo.Span;
import dev.underspan.demo.TraceStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What is asked of a real name server is a span under whoever asked, told by the request's number
 * in the name. The real jar on real JVMs; root.
 */
class NamesIT {
  private static final int REQUESTS = 101;

  @TempDir Path directory;

  static Stream<Arguments> resolvers() throws IOException {
    return Jdks.homes()
        .flatMap(home -> Stream.of(Arguments.of(home, "jdk"), Arguments.of(home, "netty")));
  }

  /** In a mount namespace of its own, in which that server is the one to ask. */
  private AppUnderAgent app(Path home, String resolver, LocalServer names, String endpoint)
      throws IOException {
    Path configuration =
        Files.writeString(directory.resolve("resolv.conf"), "nameserver " + names.address + "\n");
    return new AppUnderAgent.Builder(home, directory, endpoint)
        .wrapper(
            List.of(
                "unshare",
                "--mount",
                "sh",
                "-c",
                "mount --bind '" + configuration + "' /etc/resolv.conf && exec \"$0\" \"$@\""))
        .libraries()
        .jvm("-Xmx256m")
        .command("dev.underspan.matrix.NamesApp", resolver)
        .start();
  }

  private static Map<String, Span> lookups(List<Span> spans) {
    Map<String, Span> found = new HashMap<>();
    for (Span span : spans) {
      String name = span.text("dns.question.name");
      if (name != null) {
        assertThat(found.put(span.name() + " " + name, span)).as(name).isNull();
      }
    }
    return found;
  }

  private static void assertLookup(Span lookup, LocalServer names, Span asker) {
    assertThat(lookup).isNotNull();
    assertThat(lookup.kind()).isEqualTo(Span.Kind.CLIENT);
    assertThat(lookup.parentId()).as(lookup.text("dns.question.name")).isEqualTo(asker.spanId());
    assertThat(lookup.traceId()).isEqualTo(asker.traceId());
    assertThat(lookup.text("server.address")).isEqualTo(names.address);
    assertThat(lookup.number("server.port")).isEqualTo(53);
    assertThat(lookup.durationNanos()).isPositive();
  }

  @ParameterizedTest
  @MethodSource("resolvers")
  void askedByTheRequest(Path home, String resolver) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        LocalServer names = LocalServer.names();
        AppUnderAgent app = app(home, resolver, names, receiver.endpoint())) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      PathSpans.send(app, "/outer/", REQUESTS, null);
      List<Span> received = PathSpans.await(store, (resolver.equals("jdk") ? 5 : 4) * REQUESTS);
      Map<String, Span> spans = PathSpans.byPath(received);
      Map<String, Span> lookups = lookups(received);
      for (int n = 0; n < REQUESTS; n++) {
        Span root = PathSpans.root(spans, "/outer/" + n);
        String name = " n" + n + ".shop.test";
        Span first = lookups.remove("DNS A" + name);
        assertLookup(first, names, root);
        assertThat(first.attributes().get("dns.answers")).isEqualTo(List.of("127.0.0.1"));
        assertThat(first.text("error.type")).isNull();
        if (resolver.equals("jdk")) { // Netty's is content with an address
          Span second = lookups.remove("DNS AAAA" + name);
          assertLookup(second, names, root);
          assertThat(second.attributes().get("dns.answers")).isNull();
        }
        PathSpans.assertCall(spans, root, "/inner/" + n);
      }
      assertThat(spans).isEmpty();
      assertThat(lookups).isEmpty();
      PathSpans.assertQuiet(app);
    }
  }

  @ParameterizedTest
  @MethodSource("dev.underspan.Jdks#homes")
  void noSuchName(Path home) throws Exception {
    TraceStore store = new TraceStore();
    try (OtlpReceiver receiver = new OtlpReceiver(0, store);
        LocalServer names = LocalServer.names();
        AppUnderAgent app = app(home, "jdk", names, receiver.endpoint())) {
      assertThat(app.level()).contains("level kernel: ledger and sockets");
      PathSpans.send(app, "/none/", 3, null);
      List<Span> received = PathSpans.await(store, 3 * 3);
      Map<String, Span> spans = PathSpans.byPath(received);
      Map<String, Span> lookups = lookups(received);
      for (int n = 0; n < 3; n++) {
        Span root = PathSpans.root(spans, "/none/" + n);
        for (String type : List.of("DNS A", "DNS AAAA")) {
          Span lookup = lookups.remove(type + " n" + n + ".none.test");
          assertLookup(lookup, names, root);
          assertThat(lookup.text("error.type")).isEqualTo("NXDOMAIN");
          assertThat(lookup.status().code()).isEqualTo(Span.StatusCode.ERROR);
        }
      }
      assertThat(lookups).isEmpty();
      PathSpans.assertQuiet(app);
    }
  }
}
