#!/usr/bin/env bash
# Compiles the BPF programs for each architecture, on any, and turns each into what the jar carries: a
# loader program, its data and a description (see tools/LightSkeleton.java). Also generates the Java
# constants of the shared structs, which are the same for all architectures.
# Usage: build.sh OUTPUT_DIR
set -euo pipefail
cd "$(dirname "$0")"
out=$1
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
work=$out/work
mkdir -p "$work" "$out/abi"
bpftool btf dump file "$btf" format c >"$work/vmlinux.h"

compile() { # ARCHITECTURE as src/arch.h has it, and as Java and Linux have it
	local arch=$1 name=$2 set
	local objects=$work/$name resources=$out/resources/dev/underspan/programs/$name
	mkdir -p "$objects" "$resources"
	for set in ledger tracing twice functions; do
		# vmlinux.h is a system header here, so that its own padding is not reported.
		clang -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$arch -Wall -Wextra -Wpadded -Werror \
			-Wno-unused-parameter -Wno-unused-function -isystem "$work" -c src/$set.bpf.c -o "$objects/$set.o"
		# What libbpf's loader program has room for; with more it is made all the same, and no kernel takes it.
		[ "$(llvm-objdump -t "$objects/$set.o" | grep -c ' F ')" -le 32 ] || {
			echo "build.sh: $set.bpf.c has more than 32 programs and functions called by bpf_loop" >&2
			exit 1
		}
		bpftool gen skeleton -L "$objects/$set.o" name "$set" >"$objects/$set.lskel.h"
		java tools/LightSkeleton.java "$objects/$set.lskel.h" "$resources/$set"
		llvm-objdump -dr --no-show-raw-insn "$objects/$set.o" >"$objects/$set.asm"
		java tools/Catalogue.java "$objects/$set.asm" "$work/vmlinux.h" "$resources/$set.catalogue"
	done
	bpftool btf dump file "$objects/tracing.o" >"$objects/tracing.btf.txt"
	java tools/AbiGenerator.java "$objects/tracing.btf.txt" "$objects/java" src/ledger.h src/events.h src/connection.h
}

compile x86 x86_64
compile arm64 aarch64
diff -r "$work/x86_64/java" "$work/aarch64/java" || {
	echo "build.sh: the structs of ledger.h, events.h or connection.h differ between architectures, see above" >&2
	exit 1
}
cp -r "$work/x86_64/java" "$out/abi/"
