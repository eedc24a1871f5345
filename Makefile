# Thin: each target is one command. `make help` lists them.
MVN := mvn -B -ntp -q
JAR := target/underspan.jar

.DEFAULT_GOAL := help
.PHONY: help setup jar demo test bench clean

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

bench: setup ## what it costs: hot paths in ns and bytes, BPF programs, agent start-up, jar size (root)
	@scripts/setup bench
	$(MVN) -DskipTests -Dbenchmarks.jar.phase=package -pl javaagent/dist,benchmarks -am package
	benchmarks/run

clean: ## remove what was built
	$(MVN) clean
