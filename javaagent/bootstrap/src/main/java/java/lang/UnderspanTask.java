package java.lang;

import java.util.concurrent.Callable;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/** Carries the context of the thread that submitted a task to the thread that runs it. */
abstract class UnderspanTask {
  final Object delegate;
  private final Object context;

  UnderspanTask(Object delegate, Object context) {
    this.delegate = delegate;
    this.context = context;
  }

  final Object enter() {
    return Underspan.attach(context);
  }

  /** The delegate's, so that logs and thread dumps read as without the agent. */
  @Override
  public String toString() {
    return delegate.toString();
  }

  static final class OfRunnable extends UnderspanTask implements Runnable {
    OfRunnable(Runnable delegate, Object context) {
      super(delegate, context);
    }

    @Override
    public void run() {
      Object scope = enter();
      try {
        ((Runnable) delegate).run();
      } finally {
        Underspan.detach(scope);
      }
    }
  }

  static final class OfCallable<T> extends UnderspanTask implements Callable<T> {
    OfCallable(Callable<T> delegate, Object context) {
      super(delegate, context);
    }

    @Override
    @SuppressWarnings("unchecked")
    public T call() throws Exception {
      Object scope = enter();
      try {
        return ((Callable<T>) delegate).call();
      } finally {
        Underspan.detach(scope);
      }
    }
  }

  static final class OfSupplier<T> extends UnderspanTask implements Supplier<T> {
    OfSupplier(Supplier<T> delegate, Object context) {
      super(delegate, context);
    }

    @Override
    @SuppressWarnings("unchecked")
    public T get() {
      Object scope = enter();
      try {
        return ((Supplier<T>) delegate).get();
      } finally {
        Underspan.detach(scope);
      }
    }
  }

  static final class OfFunction<T, R> extends UnderspanTask implements Function<T, R> {
    OfFunction(Function<T, R> delegate, Object context) {
      super(delegate, context);
    }

    @Override
    @SuppressWarnings("unchecked")
    public R apply(T value) {
      Object scope = enter();
      try {
        return ((Function<T, R>) delegate).apply(value);
      } finally {
        Underspan.detach(scope);
      }
    }
  }

  static final class OfBiFunction<T, U, R> extends UnderspanTask implements BiFunction<T, U, R> {
    OfBiFunction(BiFunction<T, U, R> delegate, Object context) {
      super(delegate, context);
    }

    @Override
    @SuppressWarnings("unchecked")
    public R apply(T first, U second) {
      Object scope = enter();
      try {
        return ((BiFunction<T, U, R>) delegate).apply(first, second);
      } finally {
        Underspan.detach(scope);
      }
    }
  }

  static final class OfConsumer<T> extends UnderspanTask implements Consumer<T> {
    OfConsumer(Consumer<T> delegate, Object context) {
      super(delegate, context);
    }

    @Override
    @SuppressWarnings("unchecked")
    public void accept(T value) {
      Object scope = enter();
      try {
        ((Consumer<T>) delegate).accept(value);
      } finally {
        Underspan.detach(scope);
      }
    }
  }

  static final class OfBiConsumer<T, U> extends UnderspanTask implements BiConsumer<T, U> {
    OfBiConsumer(BiConsumer<T, U> delegate, Object context) {
      super(delegate, context);
    }

    @Override
    @SuppressWarnings("unchecked")
    public void accept(T first, U second) {
      Object scope = enter();
      try {
        ((BiConsumer<T, U>) delegate).accept(first, second);
      } finally {
        Underspan.detach(scope);
      }
    }
  }

  /** Finds a wrapped task in a queue: queues ask the sought object, not their elements. */
  static final class Sought extends UnderspanTask implements Runnable {
    Sought(Runnable delegate) {
      super(delegate, null);
    }

    @Override
    public void run() {
      ((Runnable) delegate).run();
    }

    @Override
    public boolean equals(Object other) {
      return delegate.equals(other instanceof UnderspanTask task ? task.delegate : other);
    }

    @Override
    public int hashCode() {
      return delegate.hashCode();
    }
  }
}
