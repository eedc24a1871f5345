package dev.underspan.instrument;

import java.util.List;
import net.bytebuddy.ByteBuddy;
import net.bytebuddy.asm.Advice;
import net.bytebuddy.asm.AsmVisitorWrapper;
import net.bytebuddy.description.method.MethodDescription;
import net.bytebuddy.description.modifier.FieldPersistence;
import net.bytebuddy.description.modifier.SyntheticState;
import net.bytebuddy.description.modifier.Visibility;
import net.bytebuddy.description.type.TypeDescription;
import net.bytebuddy.dynamic.ClassFileLocator;
import net.bytebuddy.dynamic.DynamicType;
import net.bytebuddy.dynamic.scaffold.MethodGraph;
import net.bytebuddy.dynamic.scaffold.TypeValidation;
import net.bytebuddy.implementation.Implementation;
import net.bytebuddy.implementation.bytecode.StackManipulation;
import net.bytebuddy.jar.asm.MethodVisitor;
import net.bytebuddy.jar.asm.Opcodes;
import net.bytebuddy.matcher.ElementMatcher;
import net.bytebuddy.pool.TypePool;
import org.jspecify.annotations.Nullable;

/** The only class besides {@link UnwrapInRunWorker} that touches ByteBuddy's machinery. */
final class Rewriter {
  private Rewriter() {}

  static byte[] rewrite(
      String internalName,
      @Nullable ClassLoader loader,
      byte[] classFile,
      List<Hook> hooks,
      ClassLoader agentLoader) {
    String name = internalName.replace('/', '.');
    // Class files are only read, never loaded: neither the advice nor what the advice refers to.
    ClassFileLocator locator =
        new ClassFileLocator.Compound(
            ClassFileLocator.Simple.of(name, classFile),
            loader == null
                ? ClassFileLocator.ForClassLoader.ofBootLoader()
                : ClassFileLocator.ForClassLoader.of(loader),
            ClassFileLocator.ForClassLoader.of(agentLoader),
            ClassFileLocator.ForClassLoader.ofPlatformLoader(),
            // What an agent has added to the boot loader is found as a class there, not as a file.
            loader == null
                ? ClassFileLocator.ForClassLoader.ofSystemLoader()
                : ClassFileLocator.NoOp.INSTANCE);
    TypePool pool = TypePool.Default.of(locator);
    TypeDescription type = pool.describe(name).resolve();
    ByteBuddy byteBuddy =
        new ByteBuddy()
            .with(TypeValidation.DISABLED)
            .with(MethodGraph.Compiler.ForDeclaredMethods.INSTANCE);
    DynamicType.Builder<?> builder =
        CarrierInstrumentation.isCarrier(hooks)
            ? byteBuddy
                .redefine(type, locator)
                .defineField(
                    CarrierInstrumentation.FIELD,
                    Object.class,
                    Visibility.PRIVATE,
                    SyntheticState.SYNTHETIC,
                    FieldPersistence.TRANSIENT)
            : byteBuddy.decorate(type, locator);
    for (Hook hook : hooks) {
      ElementMatcher<MethodDescription> matcher =
          m ->
              m.getInternalName().matches(hook.method())
                  && (hook.descriptor() == null || m.getDescriptor().startsWith(hook.descriptor()));
      builder =
          builder.visit(
              hook.advice().equals(UnwrapInRunWorker.class.getName())
                  ? new AsmVisitorWrapper.ForDeclaredMethods()
                      .method(matcher, new UnwrapInRunWorker())
                  : Advice.withCustomMapping()
                      .to(pool.describe(hook.advice()).resolve(), locator)
                      .withExceptionHandler(
                          new Advice.ExceptionHandler.Simple(new CountFailure(hook.advice())))
                      .on(matcher));
    }
    return builder.make().getBytes();
  }

  /** Loads what a rewrite needs by doing one. */
  static void warmUp() {
    ClassLoader own = Rewriter.class.getClassLoader();
    ClassFileLocator locator =
        own == null
            ? ClassFileLocator.ForClassLoader.ofBootLoader()
            : ClassFileLocator.ForClassLoader.of(own);
    try {
      String name = WarmUp.class.getName();
      rewrite(
          name.replace('.', '/'),
          own,
          locator.locate(name).resolve(),
          List.of(Hook.of(name, "run", null, ThreadInstrumentation.Started.class)),
          own == null ? ClassLoader.getSystemClassLoader() : own);
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** Hands what advice threw to the bootstrap class, which counts it. */
  private static final class CountFailure extends StackManipulation.AbstractBase {
    private final String advice;

    CountFailure(String advice) {
      this.advice = advice;
    }

    @Override
    public StackManipulation.Size apply(MethodVisitor visitor, Implementation.Context context) {
      visitor.visitLdcInsn(advice);
      visitor.visitInsn(Opcodes.SWAP);
      visitor.visitMethodInsn(
          Opcodes.INVOKESTATIC,
          "java/lang/Underspan",
          "adviceFailed",
          "(Ljava/lang/String;Ljava/lang/Throwable;)V",
          false);
      return new StackManipulation.Size(-1, 1);
    }
  }

  /** Never started. */
  private static final class WarmUp extends Thread {
    @Override
    public void run() {}
  }
}
