// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* What the kernel's own measuring of a program costs: the figure to subtract. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_switch")
int empty(void *context)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
