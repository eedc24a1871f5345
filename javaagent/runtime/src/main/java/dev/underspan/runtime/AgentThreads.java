package dev.underspan.runtime;

/** The agent's own threads: all of one thread group, which threads started by them inherit. */
final class AgentThreads {
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

  Thread daemon(String name, Runnable work) {
    Thread thread = new Thread(group, work, "underspan-" + name);
    thread.setDaemon(true);
    thread.setContextClassLoader(AgentThreads.class.getClassLoader());
    return thread;
  }
}
