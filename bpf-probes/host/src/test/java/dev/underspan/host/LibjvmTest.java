package dev.underspan.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;

/** Reading the JVM's own file and memory, where a wrong address would end the process. */
@NullUnmarked
class LibjvmTest {
  @Test
  void isFoundWhileSomebodyElseHasTheFileMapped() throws Exception {
    Libjvm first = Libjvm.ofThisProcess();
    try (FileChannel file = FileChannel.open(first.path())) {
      MappedByteBuffer mapped = file.map(FileChannel.MapMode.READ_ONLY, 0, file.size());
      Libjvm second = Libjvm.ofThisProcess();
      assertThat(second.address("gHotSpotVMStructs")).isEqualTo(first.address("gHotSpotVMStructs"));
      JavaMonitors monitors = JavaMonitors.find(second);
      assertThat(monitors.waiting()).isPositive().isNotEqualTo(monitors.pending());
      assertThat(monitors.pending()).isPositive();
      assertThat(monitors.currentJavaThread()).isNotZero();
      assertThat(mapped.capacity()).isPositive();
    }
  }

  @Test
  void memoryThatIsNotThereIsAnExceptionAndNoCrash() throws Exception {
    try (OwnMemory memory = new OwnMemory()) {
      assertThatThrownBy(() -> memory.getLong(0x13020e8)).isInstanceOf(IOException.class);
      assertThatThrownBy(() -> memory.getLong(-1)).isInstanceOf(IOException.class);
      assertThatThrownBy(() -> memory.getLong(0)).isInstanceOf(IOException.class);
    }
  }
}
