// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Stops of the JVM: attached to libjvm's USDT probes in each process. Only the JVM's own thread
 * that makes the stops comes here, so there is one writer.
 */
#include "maps.h"

SEC("uprobe")
int on_safepoint_begin(void *regs)
{
	struct served served;
	__u64 word;

	if (!find_served(bpf_get_current_task_btf(), &served))
		return 0;
	word = served.process->stopped;
	if (!(word & STOP_ON))
		served.process->stopped = STOP_ON | (bpf_ktime_get_ns() - word);
	return 0;
}

SEC("uprobe")
int on_safepoint_end(void *regs)
{
	struct served served;
	__u64 word;

	if (!find_served(bpf_get_current_task_btf(), &served))
		return 0;
	word = served.process->stopped;
	if (word & STOP_ON)
		served.process->stopped = bpf_ktime_get_ns() - (word & ~STOP_ON);
	return 0;
}
