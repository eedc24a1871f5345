package dev.underspan.abi;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The constants that Java uses are those that the compiled programs use. */
class LayoutTest {
  private static final Path PROGRAMS = Path.of("../programs");

  private static final List<String> ARCHITECTURES = List.of("x86_64", "aarch64");

  private static String snake(String camel) {
    return camel.replaceAll("(?<=.)(?=[A-Z])", "_").toLowerCase(Locale.ROOT);
  }

  private static Map<String, Integer> constants(Class<?> of) throws IllegalAccessException {
    Map<String, Integer> constants = new LinkedHashMap<>();
    for (Field field : of.getDeclaredFields()) {
      if (Modifier.isStatic(field.getModifiers()) && field.getType() == int.class) {
        constants.put(field.getName(), field.getInt(null));
      }
    }
    return constants;
  }

  @TestFactory
  Stream<DynamicTest> everyStructAgreesWithTheObjects() {
    return ARCHITECTURES.stream().flatMap(LayoutTest::structsOf);
  }

  private static Stream<DynamicTest> structsOf(String architecture) {
    Btf btf = objectOf(architecture);
    return Arrays.stream(Layout.class.getDeclaredClasses())
        .map(
            type ->
                DynamicTest.dynamicTest(
                    architecture + " " + snake(type.getSimpleName()), () -> agrees(btf, type)));
  }

  private static Btf objectOf(String architecture) {
    try {
      return new Btf(PROGRAMS.resolve("target/bpf/work/" + architecture + "/tracing.o"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void agrees(Btf btf, Class<?> type) throws IllegalAccessException {
    assertThat(btf.structs).containsKey(snake(type.getSimpleName()));
    Btf.Struct struct = btf.structs.getOrDefault(snake(type.getSimpleName()), none());
    Map<String, Integer> expected = new LinkedHashMap<>();
    expected.put("SIZE", struct.size());
    struct.fields().forEach((name, offset) -> expected.put(name.toUpperCase(Locale.ROOT), offset));
    assertThat(expected).hasSizeGreaterThan(1);
    assertThat(constants(type)).containsExactlyInAnyOrderEntriesOf(expected);
  }

  private static Btf.Struct none() {
    return new Btf.Struct(0, Map.of());
  }

  @Test
  void noSharedStructIsMissing() throws IOException {
    Set<String> declared = new TreeSet<>();
    for (String header : new String[] {"src/ledger.h", "src/events.h"}) {
      Matcher structs =
          Pattern.compile("(?m)^struct\\s+(\\w+)\\s*\\{")
              .matcher(Files.readString(PROGRAMS.resolve(header)));
      while (structs.find()) {
        declared.add(structs.group(1));
      }
    }
    assertThat(declared).contains("slot", "socket_event");
    assertThat(Layout.class.getDeclaredClasses())
        .extracting(type -> snake(type.getSimpleName()))
        .containsAll(declared);
  }

  /**
   * The object's BTF keeps no enum of which only the values are used, so this is by the headers.
   */
  @Test
  void everyNumberOfTheHeaders() throws IOException, IllegalAccessException {
    Map<String, Integer> declared = new LinkedHashMap<>();
    for (String header : new String[] {"src/ledger.h", "src/events.h"}) {
      Matcher numbers =
          Pattern.compile("\\b([A-Z][A-Z_]+)\\s*=\\s*(\\d+)\\s*,")
              .matcher(Files.readString(PROGRAMS.resolve(header)));
      while (numbers.find()) {
        declared.put(numbers.group(1), Integer.valueOf(numbers.group(2)));
      }
    }
    assertThat(declared).containsKeys("LEDGER_SLOTS", "KIND_CPU", "EVENT_CLOSED", "ROLE_AGENT");
    assertThat(constants(Layout.class)).containsAllEntriesOf(declared);
  }

  @Test
  void arraysFillTheirPlace() {
    assertThat(Layout.Account.THROTTLED_QUEUE - Layout.Account.NS)
        .isEqualTo(8 * Layout.LEDGER_KINDS);
    assertThat(Layout.ServerRequest.SIZE - Layout.ServerRequest.NS)
        .isEqualTo(8 * Layout.LEDGER_KINDS);
    assertThat(Layout.SocketEvent.HTTP2 - Layout.SocketEvent.NS).isEqualTo(8 * Layout.LEDGER_KINDS);
    assertThat(Layout.SocketEvent.SIZE - Layout.SocketEvent.HTTP2)
        .isEqualTo(Layout.Http2Place.SIZE);
    assertThat(Layout.SocketEvent.NS - Layout.SocketEvent.TAIL).isEqualTo(Layout.TAIL_BYTES);
    assertThat(Layout.KIND_CARRIER).isLessThan(Layout.LEDGER_KINDS);
  }
}
