# Thin: each target is one command. `make help` lists them.
MVN := mvn -B -ntp -q
JAR := target/underspan.jar
FUZZ_FOR ?= 10m

.DEFAULT_GOAL := help
.PHONY: help setup jar demo test lab fuzz bench clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: ## find or install what the build needs (Debian packages; root)
	@scripts/setup

jar: setup ## build target/underspan.jar, and the samples that its tests run
	$(MVN) -DskipTests -pl javaagent/dist -am package
	@ls -l $(JAR)

demo: jar ## run the sample shop under the agent and print traces
	java -jar sample-apps/demo/target/demo.jar --agent $(JAR) --root . $(DEMO_ARGS)

test: setup ## all tests, those in the kernel included (root)
	@scripts/setup test
	scripts/with-kernel-mounts mvn -B -ntp verify

lab: setup ## the tests in virtual machines with other kernels (LAB_KERNELS="6.1 6.12" for some)
	@scripts/setup lab
	$(MVN) -DskipTests -pl bpf-probes/host,javaagent/dist -am package \
	  org.apache.maven.plugins:maven-dependency-plugin:3.9.0:build-classpath \
	  -Dmdep.includeScope=test -Dmdep.outputFile=target/test.classpath
	scripts/lab/run $(LAB_KERNELS)

fuzz: setup ## fuzz the readers of wire protocols: FUZZ_FOR=10m
	JAZZER_FUZZ=1 $(MVN) -pl otel-bridge -am test -Dtest=WireFuzzTest -Djazzer.max_duration=$(FUZZ_FOR) \
	  -DskipShortFuzz -Dsurefire.failIfNoSpecifiedTests=false

bench: setup ## what it costs: hot paths in ns and bytes, BPF programs, agent start-up, jar size (root)
	@scripts/setup bench
	$(MVN) -DskipTests -Dbenchmarks.jar.phase=package -pl javaagent/dist,benchmarks -am package
	benchmarks/run

clean: ## remove what was built
	$(MVN) clean
