#!/usr/bin/env bash
# Compiles the BPF programs and turns each into what the jar carries: a loader program, its data and a
# description (see tools/LightSkeleton.java). Also generates the Java constants of the shared structs.
# Usage: build.sh OUTPUT_DIR [ARCH]   ARCH: x86 (default on x86_64) or arm64
set -euo pipefail
cd "$(dirname "$0")"
out=$1
case ${2:-$(uname -m)} in
x86 | x86_64) arch=x86 name=x86_64 ;;
arm64 | aarch64) arch=arm64 name=aarch64 ;;
*)
	echo "build.sh: no BPF build for architecture ${2:-$(uname -m)}: add it to src/arch.h and here" >&2
	exit 1
	;;
esac
btf=${VMLINUX_BTF:-/sys/kernel/btf/vmlinux}
if [ ! -r "$btf" ]; then
	echo "build.sh: no kernel type information at $btf; set VMLINUX_BTF to a vmlinux BTF file" >&2
	exit 1
fi
for tool in clang llvm-objdump bpftool java; do
	command -v $tool >/dev/null || PATH=$PATH:/usr/sbin:/sbin
	command -v $tool >/dev/null || {
		echo "build.sh: $tool is missing; run 'make setup' as root" >&2
		exit 1
	}
done
if command -v clang-format >/dev/null && ! clang-format --dry-run -Werror src/*.c src/*.h; then
	echo "build.sh: run 'clang-format -i src/*.c src/*.h' in bpf-probes/programs" >&2
	exit 1
fi
work=$out/work resources=$out/resources/dev/underspan/programs/$name
mkdir -p "$work" "$resources" "$out/abi"
bpftool btf dump file "$btf" format c >"$work/vmlinux.h"

for set in ledger tracing functions; do
	# vmlinux.h is a system header here, so that its own padding is not reported.
	clang -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$arch -Wall -Wextra -Wpadded -Werror \
		-Wno-unused-parameter -Wno-unused-function -isystem "$work" -c src/$set.bpf.c -o "$work/$set.o"
	bpftool gen skeleton -L "$work/$set.o" name "$set" >"$work/$set.lskel.h"
	java tools/LightSkeleton.java "$work/$set.lskel.h" "$resources/$set"
	llvm-objdump -dr --no-show-raw-insn "$work/$set.o" >"$work/$set.asm"
	java tools/Catalogue.java "$work/$set.asm" "$work/vmlinux.h" "$resources/$set.catalogue"
	cp "$work/$set.o" "$out/abi/$set.o"
done
bpftool btf dump file "$work/tracing.o" >"$work/tracing.btf.txt"
java tools/AbiGenerator.java "$work/tracing.btf.txt" "$out/abi/java" src/ledger.h src/events.h src/connection.h
