package dev.underspan.instrument;

import net.bytebuddy.asm.AsmVisitorWrapper;
import net.bytebuddy.description.method.MethodDescription;
import net.bytebuddy.description.type.TypeDescription;
import net.bytebuddy.implementation.Implementation;
import net.bytebuddy.jar.asm.MethodVisitor;
import net.bytebuddy.jar.asm.Opcodes;
import net.bytebuddy.pool.TypePool;
import net.bytebuddy.utility.OpenedClassReader;

/**
 * Lets {@code beforeExecute} and {@code afterExecute} see the application's own task: subclasses
 * cast it to their type.
 */
final class UnwrapInRunWorker implements AsmVisitorWrapper.ForDeclaredMethods.MethodVisitorWrapper {
  @Override
  public MethodVisitor wrap(
      TypeDescription type,
      MethodDescription method,
      MethodVisitor visitor,
      Implementation.Context context,
      TypePool pool,
      int writerFlags,
      int readerFlags) {
    return new MethodVisitor(OpenedClassReader.ASM_API, visitor) {
      @Override
      public void visitMethodInsn(
          int opcode, String owner, String name, String descriptor, boolean isInterface) {
        if (name.equals("beforeExecute")) {
          unwrap();
        } else if (name.equals("afterExecute")) {
          visitInsn(Opcodes.SWAP);
          unwrap();
          visitInsn(Opcodes.SWAP);
        }
        super.visitMethodInsn(opcode, owner, name, descriptor, isInterface);
      }

      private void unwrap() {
        super.visitMethodInsn(
            Opcodes.INVOKESTATIC,
            "java/lang/Underspan",
            "unwrap",
            "(Ljava/lang/Runnable;)Ljava/lang/Runnable;",
            false);
      }
    };
  }
}
