package dev.underspan.runtime;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The agent's own threads: all of one thread group, which threads started by them inherit. */
final class AgentThreads {
  private static final int KERNEL_NAME = 15;

  private final ThreadGroup group = new ThreadGroup(root(), "underspan");

  private static ThreadGroup root() {
    ThreadGroup group = Thread.currentThread().getThreadGroup();
    while (group.getParent() != null) {
      group = group.getParent();
    }
    return group;
  }

  boolean isCurrent() {
    ThreadGroup current = Thread.currentThread().getThreadGroup();
    return current == group;
  }

  /**
   * What the kernel knows the living ones by. By their names, of which the kernel has 15 bytes: an
   * application's thread of the same name is taken for one of ours.
   */
  List<Integer> ids() {
    Thread[] living = new Thread[2 * group.activeCount() + 16];
    int count = group.enumerate(living);
    Set<String> names = new HashSet<>();
    for (int i = 0; i < count; i++) {
      String name = living[i].getName();
      int length = name.length();
      names.add(name.substring(0, Math.min(length, KERNEL_NAME)));
      if (length > KERNEL_NAME) {
        names.add(name.substring(0, 7) + ".." + name.substring(length - 6)); // newer JDKs
      }
    }
    List<Integer> ids = new ArrayList<>();
    try (DirectoryStream<Path> tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
      for (Path task : tasks) {
        if (names.contains(Files.readString(task.resolve("comm")).strip())) {
          ids.add(Integer.parseInt(task.getFileName().toString()));
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      Log.debug("threads of the agent's own may be observed: " + e);
    }
    return ids;
  }

  Thread daemon(String name, Runnable work) {
    Thread thread = new Thread(group, work, "underspan-" + name);
    thread.setDaemon(true);
    thread.setContextClassLoader(AgentThreads.class.getClassLoader());
    return thread;
  }
}
