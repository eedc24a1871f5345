// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Stops of the JVM: attached to libjvm's USDT probes in this process. Only the JVM's own thread
 * that makes the stops comes here, so there is one writer.
 */
#include "maps.h"

SEC("uprobe")
int on_safepoint_begin(void *regs)
{
	__u64 word = globals.stopped;

	if (!(word & STOP_ON))
		globals.stopped = STOP_ON | (bpf_ktime_get_ns() - word);
	return 0;
}

SEC("uprobe")
int on_safepoint_end(void *regs)
{
	__u64 word = globals.stopped;

	if (word & STOP_ON)
		globals.stopped = bpf_ktime_get_ns() - (word & ~STOP_ON);
	return 0;
}
