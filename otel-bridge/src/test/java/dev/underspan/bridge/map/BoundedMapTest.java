package dev.underspan.bridge.map;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class BoundedMapTest {
  private final List<String> gone = new ArrayList<>();

  private static void fill(Map<Integer, String> map) {
    for (int i = 0; i < 3; i++) {
      map.put(i, "v" + i);
    }
  }

  @Test
  void byAgeTheFirstGivesWayThoughItIsUsed() {
    Map<Integer, String> map = BoundedMap.byAge(3, gone::add);
    fill(map);
    assertThat(map.get(0)).isEqualTo("v0");
    map.put(1, "again");
    assertThat(gone).isEmpty();
    map.put(3, "v3");
    assertThat(gone).containsExactly("v0");
    assertThat(map.keySet()).containsExactly(1, 2, 3);
  }

  @Test
  void byUseTheOneThatWasNotUsedGivesWay() {
    Map<Integer, String> map = BoundedMap.byUse(3, gone::add);
    fill(map);
    assertThat(map.get(0)).isEqualTo("v0");
    map.put(3, "v3");
    assertThat(gone).containsExactly("v1");
    assertThat(map.keySet()).containsExactly(2, 0, 3);
  }

  @Test
  void whatIsTakenOutGivesNoWay() {
    Map<Integer, String> map = BoundedMap.byAge(3, gone::add);
    fill(map);
    map.remove(1);
    map.put(3, "v3");
    assertThat(gone).isEmpty();
  }
}
