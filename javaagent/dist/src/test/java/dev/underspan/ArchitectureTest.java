package dev.underspan;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;

/** What Maven's modules cannot forbid. */
@AnalyzeClasses(packages = "dev.underspan", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
  @ArchTest
  static final ArchRule nativeAccessIsInOnePlace =
      noClasses()
          .that()
          .resideOutsideOfPackage("dev.underspan.host..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("jnr..", "com.kenai.jffi..")
          .because("only the host module talks to the kernel; add a method to KernelProbes");

  @ArchTest
  static final ArchRule wireKnowsBytesOnly =
      noClasses()
          .that()
          .resideInAPackage("dev.underspan.bridge.wire..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("io.opentelemetry..", "dev.underspan.abi..", "dev.underspan.host..")
          .because("a parser must be testable with bytes; map its ClientCall in bridge.span");

  @ArchTest
  static final ArchRule theBridgeKnowsNoAdvice =
      noClasses()
          .that()
          .resideInAPackage("dev.underspan.bridge..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("dev.underspan.instrument..", "net.bytebuddy..")
          .because("runtime wires both; use AdviceRuntime");

  @ArchTest
  static final ArchRule noLoggingFramework =
      noClasses()
          .that()
          .resideInAnyPackage(
              "dev.underspan.runtime..",
              "dev.underspan.host..",
              "dev.underspan.abi..",
              "dev.underspan.instrument..",
              "dev.underspan.bridge..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage("java.util.logging..", "org.slf4j..")
          .because(
              "it would fix the application's log manager before the application does; use Log");
}
